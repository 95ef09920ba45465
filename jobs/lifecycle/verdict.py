"""What the end of a run means for its job: arithmetic over one Run, without a database."""

import logging
from dataclasses import dataclass

from jobs.definition import JobTask
from jobs.errors import MAX_DELAY_SECONDS, Decision, PermanentError, UnknownTask
from jobs.retry import DEFAULT_POLICY, Action, Exponential
from jobs.runs import Run
from jobs.states import JobState, Outcome


@dataclass(frozen=True, slots=True)
class Ending:
    """What the end of one run writes to its job."""

    state: str
    delay_seconds: float = 0.0
    result_text: str | None = None
    reason: str = ""
    is_failure: bool = False
    is_loss: bool = False


PLAIN_SUCCESS = Ending(JobState.SUCCEEDED.value)
UNKNOWN_LONGEST_SECONDS = 30.0
LOSS_BACKOFF = Exponential(first_seconds=1, factor=4, max_seconds=60, jitter=False)
REASON_LENGTH = 255

logger = logging.getLogger("jobs.lifecycle")


def judge(run: Run, task: JobTask | None, waited_seconds: float = 0.0) -> Ending:
    """Decide the state to which the run's end moves its job.

    `task` is None if the job's task is not registered. `waited_seconds` is the time since the first attempt.

    Raises: ValueError for a snooze of less than nothing, or of no number.
    """
    match run.outcome:
        case Outcome.SUCCESS:
            return _ending(run, JobState.SUCCEEDED) if run.result_text is not None else PLAIN_SUCCESS
        case Outcome.SNOOZED:
            delay = _checked(run.delay_seconds or 0.0, "task")
            return _ending(run, JobState.RETRYING, delay_seconds=delay, reason=run.message)
        case Outcome.DISCARDED:
            return _ending(run, JobState.CANCELLED, reason=run.message)
        case Outcome.CANCELLED:
            return _ending(run, JobState.QUEUED, reason=run.message)
        case Outcome.LOST:
            return judge_loss(run, is_poison=False)
        case Outcome.ERROR | Outcome.TIMEOUT:
            return _judge_failure(run, task, waited_seconds)
    raise AssertionError(f"the run of {run.job_id} has not ended")


def judge_unknown(run: Run, known_not_seconds: float, patience_seconds: float) -> Ending:
    """Decide what it means that this worker does not know the task: during a deployment another one may.

    The job is tried again, uncounted, until nobody has known its task for `patience_seconds`; then it is dead.
    `known_not_seconds` is the time since the first of the attempts in a row that ended so.
    """
    if known_not_seconds >= patience_seconds:
        return _ending(run, JobState.DEAD, is_failure=True, reason=f"permanent error: {run.message}")
    run.outcome = Outcome.SNOOZED
    delay = min(max(1.0, known_not_seconds), UNKNOWN_LONGEST_SECONDS, patience_seconds - known_not_seconds)
    return _ending(run, JobState.RETRYING, delay_seconds=delay, reason=run.message)


def judge_loss(run: Run, is_poison: bool) -> Ending:
    """Decide what a loss means: dead for a poison pill, else another attempt, at once after the first loss."""
    if is_poison:
        return _ending(run, JobState.DEAD, is_loss=True, reason="poison: its worker died each time it ran")
    if run.loss_count == 0:
        return _ending(run, JobState.QUEUED, is_loss=True, reason="lost")
    delay = LOSS_BACKOFF.delay_seconds(run.loss_count, 0.0) or 0.0
    return _ending(run, JobState.RETRYING, is_loss=True, delay_seconds=delay, reason="lost")


def _judge_failure(run: Run, task: JobTask | None, waited_seconds: float) -> Ending:
    failures = run.failure_count + 1
    limit = run.max_attempts or (task.attempts_allowed if task else 1)
    try:
        action, delay = _ask_policy(run, task, failures, waited_seconds)
    except Exception:  # of a policy of the application; the batch must settle all the same
        logger.exception("the retry policy of %s failed", run.task)
        return _ending(run, JobState.DEAD, is_failure=True, reason="the retry policy itself failed")
    if action is Action.DISCARD:
        run.outcome = Outcome.DISCARDED
        return _ending(run, JobState.CANCELLED, reason=f"discarded by rule: {run.message}")
    if action is Action.DEAD:
        return _ending(run, JobState.DEAD, is_failure=True, reason=f"permanent error: {run.message}")
    if failures >= limit:
        return _ending(run, JobState.DEAD, is_failure=True, reason=f"{failures} of {limit} attempts failed")
    if delay is None:
        return _ending(run, JobState.DEAD, is_failure=True, reason="the retry policy gave up")
    return _ending(run, JobState.RETRYING, is_failure=True, delay_seconds=delay, reason=run.message)


def _ask_policy(
    run: Run, task: JobTask | None, failures: int, waited_seconds: float
) -> tuple[Action, float | None]:
    """Return what to do about the failure, and after how many seconds to try again; None means to give up."""
    policy = task.retry if task else DEFAULT_POLICY
    action = Action.RETRY
    if task is None or isinstance(run.error, PermanentError | UnknownTask):
        action = Action.DEAD
    elif run.error is not None and not isinstance(run.error, Decision):
        action = policy.action_for(run.error)
    if action is not Action.RETRY:
        return action, None
    delay = run.delay_seconds if run.delay_seconds is not None else policy.delay_seconds(failures, waited_seconds)
    return action, None if delay is None else _checked(delay, "retry policy")


def _checked(delay_seconds: float, origin: str) -> float:
    """Return a delay that databases can store: a time beyond would keep the whole batch from being settled."""
    if not delay_seconds >= 0:  # NaN is not
        raise ValueError(f"the {origin} asked for a delay of {delay_seconds} s")
    return min(delay_seconds, MAX_DELAY_SECONDS)


def _ending(
    run: Run,
    state: JobState,
    *,
    delay_seconds: float = 0.0,
    reason: str = "",
    is_failure: bool = False,
    is_loss: bool = False,
) -> Ending:
    return Ending(
        state=state.value,
        delay_seconds=delay_seconds,
        result_text=run.result_text if state is JobState.SUCCEEDED else None,
        reason=reason[:REASON_LENGTH],
        is_failure=is_failure,
        is_loss=is_loss,
    )
