"""Repairs: workers that fell silent, messages that the transport lost, and rows that nobody needs any more.

All of it is safe to do twice and safe to do wrongly: a living worker that is declared lost finds its claim
gone, and a job that is published twice is claimed once.
"""

import logging
import time
from datetime import timedelta
from uuid import UUID

from django.db import Error as DatabaseError
from django.db.models import Q
from django.db.models.functions import Now

from jobs import lifecycle, logs
from jobs.conf import get_settings
from jobs.failpoints import reach
from jobs.host import host_identity, is_same_process
from jobs.lease import LEASE_NAME
from jobs.models import Job, SchedulerLease, Worker
from jobs.models.worker import WorkerState
from jobs.statements import LOCK_SECONDS, ledger_transaction
from jobs.states import JobState
from jobs.transports import Message, Transport, get_transport

logger = logging.getLogger("jobs.reconciler")

GONE_WORKERS_KEPT = timedelta(days=1)
MAX_GAP_FRACTION = 0.4
"""A pause between two rounds longer than this part of LOST_AFTER_SECONDS starts the watch anew."""

COUNT_ONLY_AGE_FACTOR = 6
"""Transports that cannot list their messages: how many times REPUBLISH_AFTER_SECONDS a row waits instead."""


class Reconciler:
    """One process's watch over workers and messages.

    Silence of a worker proves something only to one who was awake himself: it counts from the moment since
    which this reconciler has written to the ledger without a gap.
    """

    def __init__(self) -> None:
        self._watching_since = float("inf")
        self._wrote_at = float("-inf")
        self._suspects: set[str] = set()
        self._orphaned: set[str] = set()

    def repair_workers(self) -> int:
        """End the workers that are gone; return how many. Call it every few seconds.

        Raises: django.db.Error if the ledger refuses, once every worker has had its turn.
        """
        self._write()
        gone = self._silent_workers() | self._ended_workers() | self._workers_with_orphans()
        failure = None
        for worker_id, reason in gone.items():
            reach("repair.found")
            try:
                with ledger_transaction(LOCK_SECONDS):
                    count = lifecycle.lose_worker(worker_id)
            except DatabaseError as error:  # one whose rows are locked must not keep the others waiting
                failure = error
            else:
                logs.tell(
                    "worker.lost", "worker %s is lost (%s); %d jobs go on elsewhere", worker_id, reason, count,
                    worker=worker_id, reason=reason, job_count=count,
                )  # fmt: skip
        if failure is not None:
            raise failure
        return len(gone)

    def _write(self) -> None:
        settings = get_settings()
        SchedulerLease.objects.using(settings.database).filter(name=LEASE_NAME).update(acted_at=Now())
        now = time.monotonic()
        if now - self._wrote_at > settings.lost_after_seconds * MAX_GAP_FRACTION:
            self._watching_since = now
        self._wrote_at = now

    def _silent_workers(self) -> dict[str, str]:
        settings = get_settings()
        if self._wrote_at - self._watching_since < settings.lost_after_seconds:
            return {}
        silence = timedelta(seconds=settings.lost_after_seconds)
        workers = Worker.objects.using(settings.database).living().filter(heartbeat_at__lt=Now() - silence)
        return dict.fromkeys(workers.values_list("id", flat=True), f"silent for {settings.lost_after_seconds} s")

    def _workers_with_orphans(self) -> dict[str, str]:
        """Return workers that ended in this round's view and the last one's while the ledger says that they run jobs.

        A claim that was on its way when its worker was given up is found here.
        """
        database = get_settings().database
        holders = Job.objects.using(database).filter(state=JobState.RUNNING).order_by().values("worker").distinct()
        living = Worker.objects.using(database).living().values("id")
        found = set(holders.exclude(worker__in=living).values_list("worker", flat=True))
        proven, self._orphaned = found & self._orphaned, found
        return dict.fromkeys(proven, "it had ended, but held jobs")

    def _ended_workers(self) -> dict[str, str]:
        """Return workers of this very host whose process was gone in this round and the one before.

        That is a proof; the round between lets a living pool parent, who knows what had begun, come first.
        """
        settings = get_settings()
        here = Worker.objects.using(settings.database).living().filter(node=settings.node, host=host_identity())
        ended = {
            worker.id: f"process {worker.pid} is gone"
            for worker in here.only("id", "pid", "pid_started_at")
            if worker.pid_started_at and not is_same_process(worker.pid, worker.pid_started_at)
        }
        proven = {worker_id: reason for worker_id, reason in ended.items() if worker_id in self._suspects}
        self._suspects = set(ended)
        return proven


def repair_messages() -> int:
    """Take back `published_at` of rows whose message the transport has lost; return how many.

    The dispatcher publishes them again. Messages without a row that wants them are harmless and stay.

    Raises: TransportUnavailable.
    """
    transport = get_transport()
    return sum(_repair_queue(transport, queue) for queue in _queues_with_old_messages())


def _old_messages(age_factor: float = 1) -> Q:
    age = timedelta(seconds=get_settings().republish_after_seconds * age_factor)
    return Q(state=JobState.QUEUED, published_at__lt=Now() - age)


def _queues_with_old_messages() -> list[str]:
    rows = Job.objects.using(get_settings().database).filter(_old_messages()).order_by()
    return list(rows.values_list("queue", flat=True).distinct())


def _repair_queue(transport: Transport, queue: str) -> int:
    # the rows first, the transport afterwards: what is published in between cannot seem to be missing
    rows = Job.objects.using(get_settings().database).filter(_old_messages(), queue=queue)
    published = list(rows.order_by("published_at").values_list("id", "publish_seq"))
    if transport.can_list:
        listed = transport.list_ids(queue)
        missing = [ref for ref in published if _message_id(ref) not in listed]
    else:
        missing = _surplus(transport, queue)
    if not missing:
        return 0
    reach("repair.compared")
    with ledger_transaction(LOCK_SECONDS):
        # not the rows that somebody is claiming, or holds in a transaction that got stuck
        free = Job.objects.using(get_settings().database).select_for_update(skip_locked=True).order_by()
        rows = free.filter(id__in=[job_id for job_id, _ in missing], state=JobState.QUEUED, published_at__isnull=False)
        tasks = {(job_id, seq): task for job_id, seq, task in rows.values_list("id", "publish_seq", "task")}
        missing = [ref for ref in missing if ref in tasks]
        count = lifecycle.unpublish(missing)
        lifecycle.count("republished", ((queue, tasks[ref]) for ref in missing))
    reach("repair.cleared")
    transport.forget([_message_id(ref) for ref in missing])
    if count:
        logger.warning("queue %s: %d messages were lost and go out again", queue, count)
    return count


def _message_id(ref: tuple[UUID, int]) -> str:
    job_id, seq = ref
    return Message(job_id, seq, "").id


def _surplus(transport: Transport, queue: str) -> list[tuple[UUID, int]]:
    """Return as many of the oldest published rows as the transport holds too few messages."""
    rows = Job.objects.using(get_settings().database).filter(queue=queue, state=JobState.QUEUED)
    missing_count = rows.filter(published_at__isnull=False).count() - transport.depths([queue])[queue]
    if missing_count <= 0:
        return []
    oldest = rows.filter(_old_messages(COUNT_ONLY_AGE_FACTOR)).order_by("published_at")
    return list(oldest.values_list("id", "publish_seq")[:missing_count])


def delete_old_workers(limit: int = 1000) -> int:
    """Delete up to `limit` rows of workers that ended more than a day ago, and return how many."""
    database = get_settings().database
    rows = Worker.objects.using(database).order_by()
    ended = rows.filter(state__in=[WorkerState.STOPPED, WorkerState.LOST], ended_at__lt=Now() - GONE_WORKERS_KEPT)
    ids = list(ended.values_list("id", flat=True)[:limit])
    return rows.filter(id__in=ids)._raw_delete(database) if ids else 0
