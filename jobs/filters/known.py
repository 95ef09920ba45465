"""Names that the site knows: tasks, queues, workers, kinds of failures. Read from code and small tables."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Q

from jobs.conf import get_settings
from jobs.definition import registry
from jobs.filters.states import StateIn
from jobs.models import Failure, FailureGroup, Job, Queue, Statistic, Worker
from jobs.models.statistic import Period
from jobs.states import UNFINISHED

MOST_NAMES = 1000
"""Names that are looked at; who has more tasks than that finds the others by their whole name."""


def task_names() -> list[str]:
    """Return the registered tasks and those that have run, sorted."""
    # said both ways, because SQLite finds the index of folded rows by its literal condition only
    totals = Statistic.objects.using(_alias()).exclude(period=Period.RAW).filter(period=Period.TOTAL)
    ran = totals.order_by().values_list("task", flat=True).distinct()[:MOST_NAMES]
    return sorted({*(task.module_path for task in registry), *filter(None, ran)})


def queue_names() -> list[str]:
    """Return the queues of registered tasks and those that have run jobs or were paused, sorted."""
    rows = Queue.objects.using(_alias()).order_by("name").values_list("name", flat=True)[:MOST_NAMES]
    return sorted({*(task.queue_name for task in registry), *rows})


def worker_ids() -> list[str]:
    """Return the living workers, sorted."""
    return sorted(Worker.objects.using(_alias()).living().values_list("id", flat=True)[:MOST_NAMES])


def error_classes() -> list[str]:
    """Return the exception classes of failures, the latest first."""
    rows = FailureGroup.objects.using(_alias()).order_by("-last_seen_at")
    return list(dict.fromkeys(rows.values_list("exception_class", flat=True)[:MOST_NAMES]))


def fingerprints_like(word: str) -> list[str] | None:
    """Return the fingerprints of failures whose class or message has this word; None if they are too many to list."""
    told = Q(exception_class__icontains=word) | Q(message__icontains=word)
    groups = FailureGroup.objects.using(_alias()).filter(told).order_by().values_list("fingerprint", flat=True)
    # those that were not counted into their group yet
    fresh = Failure.objects.using(_alias()).filter(told).order_by().values_list("fingerprint", flat=True)
    found = {*groups[: MOST_NAMES + 1], *fresh.distinct()[: MOST_NAMES + 1]}
    return sorted(found) if len(found) <= MOST_NAMES else None


def tasks_like(text: str) -> list[str]:
    """Return the task of this name, else those whose name has this text; the text itself if there is none."""
    if text in registry:
        return [text]
    names = task_names()
    return [text] if text in names else matching(names, text) or [text]


def ids_with_key(text: str) -> list[UUID]:
    """Return the unfinished job that holds this unique key, if there is one."""
    rows = Job.objects.using(_alias()).filter(StateIn(UNFINISHED), unique_key=text).order_by()
    return list(rows.values_list("id", flat=True))


def matching(names: Iterable[str], text: str) -> list[str]:
    """Return the names that have this text, in upper or lower case; `*` stands for any characters."""
    parts = text.lower().split("*")
    return [name for name in names if _has(name.lower(), parts)]


def _has(name: str, parts: list[str]) -> bool:
    if len(parts) == 1:
        return parts[0] in name
    if not name.startswith(parts[0]) or not name[len(parts[0]) :].endswith(parts[-1]):
        return False
    position, end = len(parts[0]), len(name) - len(parts[-1])
    for part in parts[1:-1]:
        found = name.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


def _alias() -> str:
    return get_settings().database
