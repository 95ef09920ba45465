"""Everything at once, in the manner of Jepsen's total-queue checker: enqueues, rollbacks and a fault each second.

The test's own list of acknowledged enqueues, the journal of what ran and the ledger must agree after the drain.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest
import redis
from django.db import connection, transaction

from jobs.models import Attempt, Job, Worker
from tests.acceptance import tasks
from tests.acceptance.ledger import accepted_twice, states
from tests.figures import Figures
from tests.journal import Journal
from tests.support import Running, eventually

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

Start = Callable[..., Running]
LOAD_SECONDS = 40
FREEZING = [(5, signal.SIGSTOP), (28, signal.SIGCONT)]
FAULT_EVERY_SECONDS = 1.0
BACKLOG = 300
SEED = 20


class Site:
    """Three pools, of which one will be frozen, two schedulers, and what may happen to them."""

    def __init__(self, command: Start, client: redis.Redis) -> None:
        self.command, self.client = command, client
        self.pools = {node: self.new_pool(node) for node in ("a", "b", "c")}
        self.schedulers = {node: command(node, "jobs_scheduler") for node in ("a", "b")}
        self.random = random.Random(SEED)
        self.faults: Counter[str] = Counter()
        self.menu = [
            self.kill_a_worker,
            self.kill_a_worker,
            self.flush,
            self.cut_connections,
            self.kill_a_pool,
            self.restart_a_pool,
            self.kill_a_scheduler,
        ]
        self.freezing = list(FREEZING)

    def new_pool(self, node: str) -> Running:
        return self.command(node, "jobs_worker", "--processes", "1", "--threads", "2")

    def do_harm(self) -> None:
        """Let one fault happen."""
        fault = self.random.choice(self.menu)
        fault()
        self.faults[fault.__name__] += 1

    def kill_a_worker(self) -> None:
        pids = list(Worker.objects.living().order_by("id").values_list("pid", flat=True))
        if pids:
            with suppress(ProcessLookupError):
                os.kill(self.random.choice(pids), signal.SIGKILL)

    def flush(self) -> None:
        self.client.flushall()

    def cut_connections(self) -> None:
        self.client.client_kill_filter(_type="normal", skipme=True)

    def kill_a_pool(self) -> None:
        node = self.random.choice(["a", "b"])
        self.pools[node].kill()
        self.pools[node] = self.new_pool(node)

    def restart_a_pool(self) -> None:
        node = self.random.choice(["a", "b"])
        self.pools[node].send(signal.SIGTERM)
        self.pools[node] = self.new_pool(node)

    def kill_a_scheduler(self) -> None:
        node = self.random.choice(["a", "b"])
        self.schedulers[node].kill()
        self.schedulers[node] = self.command(node, "jobs_scheduler")

    def freeze_and_thaw(self, seconds: float) -> None:
        """Stop the third pool in mid-work for longer than others wait for a sign of life, and let it go on.

        A frozen process may hold SQLite's one write lock, and then nobody can write: only a server survives that.
        """
        if connection.vendor == "postgresql" and self.freezing and seconds > self.freezing[0][0]:
            os.killpg(self.pools["c"].pid, self.freezing.pop(0)[1])


class RolledBackError(Exception):
    """Ends a transaction."""


def enqueue_batch(journal: Journal, number: int, is_kept: bool) -> set[str]:
    """Enqueue five jobs in one transaction; return their keys once they are acknowledged, none if rolled back."""
    keys = {f"{'kept' if is_kept else 'undone'}-{number}-{part}" for part in range(5)}
    with suppress(RolledBackError), transaction.atomic():
        for key in keys:
            tasks.work.enqueue(journal.path, key, 0.004)
        if not is_kept:
            raise RolledBackError
    return keys if is_kept else set()


def test_nothing_is_lost_accepted_twice_or_unexpected_under_a_fault_each_second(
    command: Start, journal: Journal, redis_client: redis.Redis, figures: Figures
) -> None:
    site = Site(command, redis_client)
    eventually(lambda: Worker.objects.living().count() == 3, 60)
    acknowledged: set[str] = set()
    begun_at = fault_at = time.monotonic()
    number = 0
    while time.monotonic() < begun_at + LOAD_SECONDS:
        site.freeze_and_thaw(time.monotonic() - begun_at)
        if Job.objects.unfinished().count() < BACKLOG:
            acknowledged |= enqueue_batch(journal, number, is_kept=site.random.random() > 0.2)
            number += 1
        if time.monotonic() >= fault_at + FAULT_EVERY_SECONDS:
            fault_at = time.monotonic()
            site.do_harm()
    ended_at = time.monotonic()
    eventually(lambda: not Job.objects.unfinished().exists(), 120, "the queue does not drain")
    drain_seconds = time.monotonic() - ended_at
    for running in (*site.pools.values(), *site.schedulers.values()):
        running.stop(30)

    runs = journal.runs()
    succeeded = {args[1] for args in Job.objects.succeeded().values_list("args", flat=True)}
    attempts = Counter(args[1] for args in Attempt.objects.values_list("job__args", flat=True))
    lost, unexpected = acknowledged - succeeded, set(runs) - acknowledged
    outcomes = Counter(Attempt.objects.order_by().values_list("outcome", flat=True))
    figures.add(
        acknowledged=len(acknowledged),
        lost=len(lost),
        accepted_twice=accepted_twice(),
        unexpected=len(unexpected),
        runs=sum(runs.values()),
        attempts=sum(attempts.values()),
        lost_runs=outcomes["lost"],
        given_back_runs=outcomes["cancelled"],
        faults=sum(site.faults.values()),
        drain_seconds=drain_seconds,
    )
    assert not lost
    assert not unexpected
    assert accepted_twice() == 0
    assert set(states()) == {"succeeded"}
    assert acknowledged <= set(runs)
    unrecorded = {key: (count, attempts[key]) for key, count in runs.items() if count > attempts[key]}
    assert not unrecorded, "runs that no attempt tells of"
    assert not Job.objects.filter(failure_count__gt=0).exists()
