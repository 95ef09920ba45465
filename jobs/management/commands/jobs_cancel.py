"""`manage.py jobs_cancel`: cancel what has not ended."""

from jobs.management.bulk import BulkCommand


class Command(BulkCommand):
    """Cancel jobs by id or by filter."""

    help = "Cancel unfinished jobs: waiting ones at once, running ones by asking them to stop. It can be undone."
    verb, done, states = "cancel", "cancelled", ("blocked", "queued", "retrying", "running", "scheduled")

    def _example(self) -> str:
        return "state:queued task:billing"
