"""A site under fault: a ledger, a broker, pools, schedulers and producers as real processes, and the harm done to them.

A test starts the site, harms it inside `with site.fault():`, and calls `check()`:

    site.start(pools=2)
    with site.fault():
        for _ in site.each(1.0, LOAD_SECONDS):
            site.kill_a_worker()
    site.check()
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from tests.faults import evidence
from tests.faults.broker import Broker
from tests.faults.checker import Evidence, Report, check
from tests.faults.ledgers import Ledger
from tests.faults.proxy import Proxy
from tests.journal import Journal
from tests.support import Processes, Running, eventually

RATE = 400
"""Jobs per second of the load, of all producers together."""

BATCHES = {"postgresql": 8, "sqlite": 20}
"""Jobs per transaction; SQLite has one writer at a time, and each of its commits waits for the disk."""

BEFORE_SECONDS, AFTER_SECONDS = 3.0, 5.0
"""Undisturbed load before the fault, and after it at the least."""

RECOVERY_SECONDS = 60.0
DRAIN_SECONDS = 120.0
START_SECONDS = 60.0
STOP_SECONDS = 45.0


class Site:
    """One installation. `random` is seeded, `notes` are further figures for the record."""

    def __init__(
        self, directory: Path, ledger: Ledger, broker: Broker, processes: Processes, load_seconds: float, seed: int
    ) -> None:
        self.directory, self.ledger, self.broker, self.processes = directory, ledger, broker, processes
        self.load_seconds, self.seed = load_seconds, seed
        self.random = random.Random(seed)
        self.log, self.journal = Journal(directory / "log"), Journal(directory / "journal")
        self.pools: dict[str, Running] = {}
        self.schedulers: dict[str, Running] = {}
        self.producers: list[Running] = []
        self.notes: dict[str, Any] = {}
        self._makers: dict[str, Callable[[], Running]] = {}
        self._faults: list[tuple[float, float]] = []
        self._killed: list[tuple[int, float]] = []
        self.ledger_proxy: Proxy | None = None
        self.broker_proxy: Proxy | None = None

    def put_proxies_before_servers(self) -> list[Proxy]:
        """Let every process reach ledger and broker through proxies only; call it before any is started."""
        self.broker_proxy = Proxy(("127.0.0.1", self.broker.port)).start()
        self.ledger_proxy = Proxy(("127.0.0.1", self.ledger.port)).start() if self.ledger.port else None
        return [proxy for proxy in (self.broker_proxy, self.ledger_proxy) if proxy]

    def environment(self) -> dict[str, str]:
        """Return what processes of this site need to find its servers."""
        broker, ledger = self.broker.url, self.ledger.url
        if self.broker_proxy:
            broker = broker.replace(f":{self.broker.port}", f":{self.broker_proxy.port}")
        if self.ledger_proxy:
            ledger = ledger.replace(f":{self.ledger.port}", f":{self.ledger_proxy.port}")
        return {"DATABASE_URL": ledger, "REDIS_URL": broker, "DJANGO_SETTINGS_MODULE": "tests.faults.settings"}

    # -- processes ---------------------------------------------------------------------------------
    def start(self, pools: int = 2, *, rate: float = RATE, schedulers: int = 1, options: tuple[str, ...] = ()) -> None:
        """Run pools on nodes "a", "b" …, schedulers on "s", "t" …, and a producer; wait until all is under way."""
        for node in "abcdefgh"[:pools]:
            self.start_pool(node, *options)
        for node in "stuv"[:schedulers]:
            self.start_scheduler(node)
        self.await_workers(pools)
        if rate:
            self.produce(rate)
            eventually(lambda: len(self.journal.lines()) > rate, START_SECONDS, "the load does not run")
            self.rest(BEFORE_SECONDS)

    def start_pool(self, node: str, *options: str, processes: int = 1, threads: int = 2, **env: str) -> Running:
        """Run a pool on a node; it is started again whenever it has ended, see `revive`."""
        words = ("jobs_worker", "--processes", str(processes), "--threads", str(threads), *options)
        return self._keep(self.pools, node, lambda: self.manage(node, *words, **env))

    def start_scheduler(self, node: str, **env: str) -> Running:
        """Run a scheduler on a node; it is started again whenever it has ended."""
        return self._keep(self.schedulers, node, lambda: self.manage(node, "jobs_scheduler", **env))

    def _keep(self, group: dict[str, Running], node: str, make: Callable[[], Running]) -> Running:
        self._makers[node] = make
        group[node] = make()
        return group[node]

    def manage(self, node: str, *words: str, **env: str) -> Running:
        """Run a `manage.py` command on a node of this site, once."""
        return self.processes.manage(*words, env={"QUEUEHUB_NODE": node, **env})

    def produce(self, rate: float, *options: str, **env: str) -> Running:
        """Run a producer at `rate` jobs per second."""
        number = len(self.producers)
        words = (
            "--rate", str(rate), "--name", f"p{number}", "--seed", str(self.seed + number),
            "--batch", str(BATCHES[self.ledger.name]), *options,
        )  # fmt: skip
        running = self.processes.start(
            sys.executable, "-m", "tests.faults.producer", self.log.path, self.journal.path, *words, env=env
        )
        self.producers.append(running)
        return running

    def await_workers(self, count: int = 1) -> None:
        """Wait until so many workers are enrolled."""
        living = "SELECT count(*) FROM jobs_worker WHERE state IN ('active', 'stopping')"
        eventually(lambda: self.ledger.query(living)[0][0] >= count, START_SECONDS, "the workers do not enrol")

    def revive(self) -> None:
        """Start pools and schedulers again that have ended, as a service manager does."""
        for group in (self.pools, self.schedulers):
            for node, running in list(group.items()):
                if not running.is_running:
                    group[node] = self._makers[node]()

    def worker_pids(self, node: str | None = None) -> list[int]:
        """Return the worker processes, of one node's pool or of all, as the operating system knows them."""
        parents = [running.pid for name, running in self.pools.items() if node in (None, name)]
        found: list[int] = []
        for pid in parents:
            with suppress(psutil.NoSuchProcess):
                found += [child.pid for child in psutil.Process(pid).children()]
        return sorted(found)

    # -- time --------------------------------------------------------------------------------------
    def each(self, every_seconds: float, seconds: float | None = None) -> Iterator[int]:
        """Yield 0, 1 … at this interval while the load runs, and revive what has ended meanwhile."""
        ends_at = time.monotonic() + (self.load_seconds if seconds is None else seconds)
        number = 0
        while time.monotonic() < ends_at:
            yield number
            number += 1
            self.rest(min(every_seconds, max(0.0, ends_at - time.monotonic())))

    def rest(self, seconds: float) -> None:
        """Let the load run for a while, reviving what has ended."""
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0:
            self.revive()
            time.sleep(min(0.1, left))

    def clock(self) -> float:
        """Return the reading of the clock that logs and journal use, in seconds."""
        return time.monotonic()

    @contextmanager
    def fault(self) -> Iterator[None]:
        """Mark the time in which something is amiss; recovery is measured from its end."""
        begin = time.monotonic()
        yield
        self._faults.append((begin, time.monotonic()))

    # -- harm --------------------------------------------------------------------------------------
    def kill(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal a worker process and remember when, for the time until it was noticed."""
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            self._killed.append((pid, time.time()))

    def kill_a_worker(self) -> None:
        """kill -9 of one worker process, picked at random."""
        if pids := self.worker_pids():
            self.kill(self.random.choice(pids))

    def kill_a_parent(self) -> None:
        """kill -9 of one pool parent alone; its workers are left behind."""
        pool = self.pools[self.random.choice(sorted(self.pools))]
        pool.send(signal.SIGKILL)

    def kill_a_pool(self, node: str | None = None) -> None:
        """kill -9 of one pool, parent and workers together."""
        name = node or self.random.choice(sorted(self.pools))
        pids = self.worker_pids(name)
        self.pools[name].kill()
        self._killed += [(pid, time.time()) for pid in pids]

    def signal_pool(self, node: str, number: signal.Signals) -> None:
        """Signal a whole pool: SIGSTOP freezes it, SIGCONT thaws it."""
        if number == signal.SIGSTOP:
            self._killed += [(pid, time.time()) for pid in self.worker_pids(node)]
        os.killpg(self.pools[node].pid, number)

    def detection_seconds(self) -> float | None:
        """Return the longest time from a kill or freeze until the ledger called the worker lost; None without any."""
        ended: dict[int, list[float]] = {}
        for pid, at in self.ledger.query(f"SELECT pid, {self.ledger.epoch('ended_at')} FROM jobs_worker"):
            if at is not None:
                ended.setdefault(pid, []).append(float(at))
        found = []
        for pid, killed_at in self._killed:
            noticed = [at for at in ended.get(pid, ()) if at > killed_at - 0.5]
            found += [min(noticed) - killed_at] if noticed else []
        return max(found, default=None)

    # -- the end -----------------------------------------------------------------------------------
    def unfinished_count(self) -> int:
        """Count the jobs that are not in a final state."""
        query = "SELECT count(*) FROM jobs_job WHERE state NOT IN ('succeeded', 'dead', 'cancelled')"
        return int(self.ledger.query(query)[0][0])

    def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Stop the producers and wait until every job is in a final state.

        Raises: AssertionError with what is left.
        """
        for producer in self.producers:
            producer.stop(STOP_SECONDS)

        def is_drained() -> bool:
            self.revive()
            return self.unfinished_count() == 0

        begun = time.monotonic()
        with suppress(AssertionError):  # what is left is the checker's to say
            eventually(is_drained, seconds)
        self.notes["drain_seconds"] = round(time.monotonic() - begun, 1)

    def check(
        self,
        *,
        ends: dict[str, frozenset[str]] | None = None,
        seconds: float = DRAIN_SECONDS,
        has_limits: bool = True,
    ) -> Report:
        """Let the load recover, drain within `seconds`, stop everything, and compare the records; see `checker.check`.

        Raises: AssertionError with every promise that was broken.
        """
        self.rest(AFTER_SECONDS)
        self.drain(seconds)
        for running in (*self.pools.values(), *self.schedulers.values()):
            running.stop(STOP_SECONDS)
        records = evidence.read(self.log, self.journal, self.ledger)
        report = check(records, self._faults, ends=ends, detection_seconds=self.detection_seconds())
        self.notes = {**report.figures(), "kills": len(self._killed), **self._rates(records), **self.notes}
        problems = report.problems(has_limits=has_limits)
        assert not problems, "\n".join(problems)
        return report

    def _rates(self, records: Evidence) -> dict[str, float]:
        times = records.acknowledged.values()
        seconds = max(times, default=0.0) - min(times, default=0.0)
        return {"acknowledged_per_second": round(len(times) / seconds, 1)} if seconds else {}
