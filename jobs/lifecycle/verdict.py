"""What the end of a run means for its job: arithmetic over one Run, without a database."""

from jobs.definition import JobTask
from jobs.errors import Decision, PermanentError, UnknownTask
from jobs.retry import DEFAULT_POLICY, Action, Exponential
from jobs.runs import Run
from jobs.statements import Ending
from jobs.states import JobState, Outcome

LOSS_BACKOFF = Exponential(first_seconds=1, factor=4, max_seconds=60, jitter=False)
REASON_LENGTH = 255


def judge(run: Run, task: JobTask | None, waited_seconds: float = 0.0) -> Ending:
    """Decide the state to which the run's end moves its job.

    `task` is None if the job's task is not registered. `waited_seconds` is the time since the first attempt.
    """
    match run.outcome:
        case Outcome.SUCCESS:
            return _ending(run, JobState.SUCCEEDED)
        case Outcome.SNOOZED:
            return _ending(run, JobState.RETRYING, delay_seconds=run.delay_seconds or 0.0, reason=run.message)
        case Outcome.DISCARDED:
            return _ending(run, JobState.CANCELLED, reason=run.message)
        case Outcome.CANCELLED:
            return _ending(run, JobState.QUEUED, reason=run.message)
        case Outcome.LOST:
            return judge_loss(run, is_poison=False)
        case Outcome.ERROR | Outcome.TIMEOUT:
            return _judge_failure(run, task, waited_seconds)
    raise AssertionError(f"the run of {run.job_id} has not ended")


def judge_loss(run: Run, is_poison: bool) -> Ending:
    """Decide what a loss means: dead for a poison pill, else another attempt, at once after the first loss."""
    if is_poison:
        return _ending(run, JobState.DEAD, is_loss=True, reason="poison: its worker died each time it ran")
    if run.loss_count == 0:
        return _ending(run, JobState.QUEUED, is_loss=True, reason="lost")
    delay = LOSS_BACKOFF.delay_seconds(run.loss_count, 0.0) or 0.0
    return _ending(run, JobState.RETRYING, is_loss=True, delay_seconds=delay, reason="lost")


def _judge_failure(run: Run, task: JobTask | None, waited_seconds: float) -> Ending:
    policy = task.retry if task else DEFAULT_POLICY
    action = Action.RETRY
    if task is None or isinstance(run.error, PermanentError | UnknownTask):
        action = Action.DEAD
    elif run.error is not None and not isinstance(run.error, Decision):
        action = policy.action_for(run.error)
    if action is Action.DISCARD:
        run.outcome = Outcome.DISCARDED
        return _ending(run, JobState.CANCELLED, reason=f"discarded by rule: {run.message}")
    failures = run.failure_count + 1
    limit = run.max_attempts or (task.attempts_allowed if task else 1)
    if action is Action.DEAD:
        return _ending(run, JobState.DEAD, is_failure=True, reason=f"permanent error: {run.message}")
    if failures >= limit:
        return _ending(run, JobState.DEAD, is_failure=True, reason=f"{failures} of {limit} attempts failed")
    delay = run.delay_seconds
    if delay is None:
        delay = policy.delay_seconds(failures, waited_seconds)
    if delay is None:
        return _ending(run, JobState.DEAD, is_failure=True, reason="the retry policy gave up")
    return _ending(run, JobState.RETRYING, is_failure=True, delay_seconds=delay, reason=run.message)


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
        job_id=run.job_id,
        claim=run.claim,
        state=state.value,
        delay_seconds=delay_seconds,
        result_text=run.result_text if state is JobState.SUCCEEDED else None,
        reason=reason[:REASON_LENGTH],
        is_failure=is_failure,
        is_loss=is_loss,
    )
