"""The faults: each is done to a host under load, and says when it struck."""

import math
import random
import time
from collections.abc import Callable

from redis import Redis

from benchmarks.survival.host import Host, TrialError
from benchmarks.survival.systems import BROKER, FLUSH, HOST, KILLS
from benchmarks.survival.verdict import Fault, journal

KILL_COUNT, KILL_EVERY_SECONDS = 10, 1.0
AWAY_SECONDS = 5.0
FLUSH_COUNT = 3
BROKER_AWAY_SECONDS = 1.0
WORKED_SECONDS = 1.0
"""A victim has worked for so long: who boots slowly is not killed before it did anything."""

LONGEST_BOOT_SECONDS = 40


def kills(host: Host, chance: random.Random, production_seconds: float) -> list[Fault]:
    """Kill a worker with its children each second, one that has worked for a second; it is started again at once.

    If no worker has anything to do any more, there are fewer kills.
    """
    faults: list[Fault] = []
    for _ in range(KILL_COUNT):
        host.pause(KILL_EVERY_SECONDS + chance.uniform(-0.1, 0.1))
        try:
            victim = chance.choice(_working(host, wanted=1, seconds=WORKED_SECONDS))
        except TrialError:
            if not faults:
                raise
            break
        tree = next(tree for tree in host.workers if tree.name == victim)
        faults.append(Fault(time.monotonic(), is_kill=True))
        tree.kill()
        tree.start()
    return faults


def whole_host(host: Host, chance: random.Random, production_seconds: float) -> list[Fault]:
    """Kill everything but the broker, the database and the producer; start it again five seconds later."""
    host.pause(production_seconds * chance.uniform(0.4, 0.6))
    fault = Fault(time.monotonic(), is_kill=True)
    for tree in host.trees:
        tree.kill()
    time.sleep(AWAY_SECONDS)
    for tree in host.trees:
        tree.start()
    return [fault]


def flush(host: Host, chance: random.Random, production_seconds: float) -> list[Fault]:
    """Empty the broker three times while jobs are enqueued and a backlog waits."""
    faults, begun = [], time.monotonic()
    with Redis(unix_socket_path=str(host.valkey.socket_path)) as redis:
        for number in range(FLUSH_COUNT):
            share = (number + chance.uniform(0.7, 1.0)) / (FLUSH_COUNT + 0.5)
            host.pause(begun + share * production_seconds - time.monotonic())
            faults.append(Fault(time.monotonic(), is_kill=False))
            redis.flushall()
    return faults


def broker(host: Host, chance: random.Random, production_seconds: float) -> list[Fault]:
    """Kill the broker, which saves nothing, and start it again a second later."""
    host.pause(production_seconds * chance.uniform(0.4, 0.6))
    fault = Fault(time.monotonic(), is_kill=False)
    host.kill_broker()
    time.sleep(BROKER_AWAY_SECONDS)
    host.restart_broker()
    return [fault]


def wait_until_all_work(host: Host) -> None:
    """Wait until each worker has begun something.

    Raises: TrialError if one does not.
    """
    _working(host, wanted=len(host.workers))


def _working(host: Host, wanted: int, seconds: float = 0) -> list[str]:
    """Return the names of the living trees whose first job began so long ago; wait until there are `wanted`.

    Raises: TrialError if there never are.
    """
    deadline = time.monotonic() + LONGEST_BOOT_SECONDS
    while True:
        first: dict[str, float] = {}
        for line in journal(host.journal):
            first.setdefault(line.tree, line.at_seconds)
        latest = time.monotonic() - seconds
        names = [tree.name for tree in host.workers if first.get(tree.name, math.inf) <= latest]
        if len(names) >= wanted:
            return names
        if time.monotonic() > deadline:
            raise TrialError(f"no worker works: {host.last_words()}")
        host.pause(0.1)


FAULTS: dict[str, Callable[[Host, random.Random, float], list[Fault]]] = {
    KILLS: kills,
    HOST: whole_host,
    FLUSH: flush,
    BROKER: broker,
}
