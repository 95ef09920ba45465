"""`manage.py jobs_prune`: delete what has been kept long enough, now."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django.core.management.base import CommandError

from jobs import operations, reconciler, schedules, spoken, statistics
from jobs.lifecycle import operate, retention
from jobs.management.bulk import ASK_ABOVE
from jobs.management.operator import FAILED, NOTHING, USAGE, OperatorCommand, add_reason, duration
from jobs.management.progress import Progress
from jobs.states import FINAL, JobState

COUNTED = 10_000
BATCH = 500

OTHERS: Mapping[str, Callable[[], int]] = {
    "statistics": statistics.delete_old,
    "firings of schedules": schedules.delete_old_runs,
    "operations": operations.delete_old,
    "workers": reconciler.delete_old_workers,
}
"""What has ages of its own; the scheduler's leader deletes it, too."""


def final_state(text: str) -> JobState:
    """Read a final state.

    Raises: argparse.ArgumentTypeError.
    """
    if text not in FINAL:
        raise ArgumentTypeError(f"{text!r}: choose from {', '.join(sorted(FINAL))}")
    return JobState(text)


class Command(OperatorCommand):
    """Delete old jobs with their attempts, and what else has had its time."""

    help = (
        "Delete finished jobs that are older than the settings keep them, as the scheduler does all the time; or, with"
        " --older-than, than you say. What is deleted is gone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than", type=duration, metavar="30d", help="delete these jobs; needs --state")
        parser.add_argument(
            "--state", type=final_state, action="append", dest="states", default=[], help="may be given several times"
        )
        parser.add_argument("--dry-run", action="store_true", help="count only")
        parser.add_argument("--yes", action="store_true", help=f"do not ask, even above {ASK_ABOVE:,} jobs")
        add_reason(parser)
        super().add_arguments(parser)

    def act(self, **options: Any) -> int | None:
        operate.permit(options["actor"], "jobs.discard_job", "prune", target="jobs")
        age, states = options["older_than"], options["states"]
        if (age is None) != (not states):
            raise CommandError("Give both: --older-than 30d --state succeeded", returncode=USAGE)
        ages = dict.fromkeys(states, age.total_seconds()) if age is not None else retention.retentions()
        total, is_capped = 0, False
        for state, seconds in ages.items():
            number = retention.older(state, seconds).order_by().values("finished_at")[: COUNTED + 1].count()
            total, is_capped = total + min(number, COUNTED), is_capped or number > COUNTED
            self.say(f"{spoken.capped(number, COUNTED)} {state} for more than {spoken.duration(seconds)}")
        if not total and age is not None:
            return NOTHING
        if options["dry_run"]:
            return None
        if age is not None and total > ASK_ABOVE and not options["yes"]:
            more = "+" if is_capped else ""
            if not self.is_confirmed(f"{total:,}{more} jobs would be deleted for good", "delete"):
                return FAILED
        deleted, is_stopped = self._deleted(ages, 0 if is_capped else total)
        self.say(f"{spoken.count(deleted, 'job')} deleted")
        if deleted:
            after = {"deleted": deleted, "seconds": {state.value: seconds for state, seconds in ages.items()}}
            operate.audit(options["actor"], "prune", "jobs", options["reason"], after=after)
        if is_stopped:
            self.say("Stopped before the end.")
            return FAILED
        if age is None:
            for name, delete in OTHERS.items():
                self.say(f"{name}: {_all(delete):,} deleted")
        return None

    def _deleted(self, ages: Mapping[JobState, float], total: int) -> tuple[int, bool]:
        """Delete, and return how many jobs that were and whether Ctrl-C stopped it."""
        deleted = 0
        with Progress(self.stderr, "deleted") as line:
            try:
                for state, seconds in ages.items():
                    while number := retention.delete_older(state, seconds, BATCH):
                        deleted += number
                        line.tell(deleted, total)
            except KeyboardInterrupt:  # what is gone belongs into the audit log
                return deleted, True
        return deleted, False


def _all(delete: Callable[[], int]) -> int:
    """Delete batch by batch until nothing is left."""
    return sum(iter(partial(delete), 0))
