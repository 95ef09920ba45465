"""`manage.py jobs_discard`: give dead letters up."""

from jobs.management.bulk import BulkCommand


class Command(BulkCommand):
    """Discard jobs by id or by filter."""

    help = "Give dead letters up: they become cancelled. It can be undone as long as they are kept."
    verb, done, states = "discard", "discarded", ("dead",)
