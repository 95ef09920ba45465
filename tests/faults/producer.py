"""The producer: an application that enqueues at a steady rate and keeps its own log of what was acknowledged.

A key is `kind-producer-number`; what the log says of it stands in `producer_log.py`. The producer goes on through
every error, until SIGTERM or `--seconds`.
"""

import argparse
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count

import django
from django.db import DatabaseError, InterfaceError, connection, transaction

django.setup()

from jobs.models import Job  # noqa: E402
from tests.faults.producer_log import ACKNOWLEDGED, MEANT, UNDONE, UNKNOWN  # noqa: E402
from tests.faults.tasks import LOAD  # noqa: E402
from tests.journal import append_many  # noqa: E402

logger = logging.getLogger("tests.faults.producer")

WORK_SECONDS = 0.002
RARE = {"stumble": 0.03, "fail": 0.01, "effect": 0.02}
"""Shares of the kinds that are not plain work."""



class RolledBackError(Exception):
    """Ends a transaction."""


class Producer:
    """Enqueues one transaction after the other, in each of the ways that an application may choose."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.log, self.journal, self.name = options.log, options.journal, options.name
        self.random = random.Random(options.seed)
        self.size, self.undone_share = options.batch, options.undone
        self.is_beside_other = options.beside_other
        self.ways: list[Callable[[Sequence[str]], None]] = [self.together, self.one_by_one, self.below_savepoints]
        self.numbers = count()
        self.is_stopped = False

    def produce(self) -> int:
        """Run one transaction and log what became of it; return how many jobs it meant."""
        is_undone = self.random.random() < self.undone_share
        keys = [self.new_key(is_undone) for _ in range(self.size)]
        append_many(self.log, MEANT, keys)
        way = self.random.choice(self.ways)
        try:
            with self.surroundings(), transaction.atomic():
                way(keys)
                if is_undone:
                    raise RolledBackError
        except RolledBackError:
            append_many(self.log, UNDONE, keys)
        except (DatabaseError, InterfaceError) as error:
            # A transaction that was to be rolled back is not committed, whatever else went wrong.
            append_many(self.log, UNDONE if is_undone else UNKNOWN, keys)
            logger.warning("not acknowledged: %s", str(error).splitlines()[0] if str(error) else repr(error))
            connection.close()
            time.sleep(0.02)
        else:
            append_many(self.log, ACKNOWLEDGED, keys, is_synced=True)
        return len(keys)

    @contextmanager
    def surroundings(self) -> Iterator[None]:
        """Enqueue inside a transaction of another database, if so wished, which is rolled back: a job does not mind."""
        if not self.is_beside_other:
            yield
            return
        with transaction.atomic(using="other"):
            yield
            transaction.set_rollback(True, using="other")

    def new_key(self, is_undone: bool) -> str:
        kind = "undone" if is_undone else self.kind()
        return f"{kind}-{self.name}-{next(self.numbers)}"

    def kind(self) -> str:
        drawn = self.random.random()
        for kind, share in RARE.items():
            if drawn < share:
                return kind
            drawn -= share
        return "work"

    def together(self, keys: Sequence[str]) -> None:
        """Enqueue with one call per kind."""
        kinds: dict[str, list[str]] = {}
        for key in keys:
            kinds.setdefault(key.partition("-")[0], []).append(key)
        for kind, same in kinds.items():
            task = LOAD.get(kind, LOAD["work"])
            Job.objects.enqueue_many(task, self.calls(same))

    def one_by_one(self, keys: Sequence[str]) -> None:
        for key, call in zip(keys, self.calls(keys), strict=True):
            LOAD.get(key.partition("-")[0], LOAD["work"]).enqueue(*call)

    def below_savepoints(self, keys: Sequence[str]) -> None:
        with transaction.atomic():
            self.one_by_one(keys[:1])
        self.together(keys[1:])

    def calls(self, keys: Iterable[str]) -> list[tuple[str, str, float]]:
        return [(self.journal, key, WORK_SECONDS) for key in keys]

    def stop(self, *_: object) -> None:
        self.is_stopped = True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log")
    parser.add_argument("journal")
    parser.add_argument("--name", default="p")
    parser.add_argument("--rate", type=float, default=250, help="jobs per second")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--batch", type=int, default=5, help="jobs per transaction")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--undone", type=float, default=0.1, help="share of transactions that are rolled back")
    parser.add_argument("--beside-other", action="store_true", help="enqueue inside a transaction of another database")
    options = parser.parse_args()
    producer = Producer(options)
    signal.signal(signal.SIGTERM, producer.stop)
    sys.stdout.write(f"producing, pid {os.getpid()}\n")
    ends_at = time.monotonic() + options.seconds
    next_at = time.monotonic()
    while not producer.is_stopped and time.monotonic() < ends_at:
        # After an outage it goes on at its rate; a burst to make up for lost time would be another test.
        next_at = max(next_at + producer.produce() / options.rate, time.monotonic() - 1)
        time.sleep(max(0.0, next_at - time.monotonic()))


if __name__ == "__main__":
    main()
