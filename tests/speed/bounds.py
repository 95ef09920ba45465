"""How much each step may say to the ledger and to Redis: the table that keeps costs from growing unseen.

A bound stands a little above what the step needs today. Whoever needs more raises it here, with the reason.
"""

from dataclasses import dataclass

from tests.run_directory import ledger
from tests.speed.metering import Cost


@dataclass(frozen=True)
class Bound:
    """Most SQL statements on each ledger, BEGIN and COMMIT included, most Redis commands, and most round trips.

    On PostgreSQL the round trips have the bound of the statements; on SQLite there are none.
    """

    why: str
    sqlite: float
    postgresql: float
    commands: float = 0
    redis_trips: float = 0


STEPS = {
    "one enqueue": Bound(
        "the row; its message: hash, life time, list, name and depth of the queue; one live event",
        sqlite=1, postgresql=1, commands=6, redis_trips=2,
    ),
    "twenty enqueues in one transaction": Bound(
        "a row each, since each call returns its job; the messages follow the commit",
        sqlite=22, postgresql=22, commands=120, redis_trips=40,
    ),
    "a bulk enqueue of 1,000": Bound(
        "one INSERT; one pipeline with two commands for each hash; one live event",
        sqlite=1, postgresql=1, commands=2010, redis_trips=2,
    ),
    "a drain of 1,000": Bound(
        "four batches: one claim and one settlement each (five statements on SQLite), one pop and one deletion, two"
        " live events; the names and pauses of queues, an audit and RQ's books once",
        sqlite=36, postgresql=18, commands=36, redis_trips=28,
    ),
    "a drain of 1,000 that fail": Bound(
        "what a drain costs, and one statement a batch that groups its failures",
        sqlite=40, postgresql=20, commands=36, redis_trips=28,
    ),
    "a drain of 1,000 rows without messages": Bound(
        "what a drain costs, and nothing is deleted on Redis",
        sqlite=36, postgresql=18, commands=32, redis_trips=24,
    ),
    "a top-up of 1,000": Bound(
        "names and pauses of the queues; the rows are taken in two parts, and each part is one pipeline; on PostgreSQL"
        " a SET LOCAL rides along with each",
        sqlite=6, postgresql=10, commands=2020, redis_trips=4,
    ),
    "1,000 that came due": Bound(
        "one transaction: the due rows are locked, then moved",
        sqlite=4, postgresql=6,
    ),
    "a retry of 1,000 by an operator": Bound(
        "two batches of 500: a transaction that locks, changes, counts and notes; SQLite needs more INSERTs",
        sqlite=28, postgresql=24, commands=2, redis_trips=2,
    ),
    "a heartbeat of a pool": Bound(
        "one UPDATE, however many workers it has",
        sqlite=1, postgresql=1,
    ),
    "a drain of 2,000 by a pool, with its start and end": Bound(
        "a tenth of a statement and of a round trip for each job, whatever the clock adds",
        sqlite=200, postgresql=200, commands=200, redis_trips=200,
    ),
}  # fmt: skip

AN_IDLE_WORKERS_SECOND = Bound(
    "a look at the ledger for rows that no message announces, and for lost messages, each once a second; the names of"
    " queues every two; heartbeats; RQ's books every ten",
    sqlite=4, postgresql=4, commands=4, redis_trips=3,
)  # fmt: skip


def check(step: str, cost: Cost) -> None:
    """Assert that a step of the table cost something, and no more than it may."""
    problems = excesses(cost, STEPS[step])
    assert not problems, "; ".join(problems)


def excesses(cost: Cost, bound: Bound, share: float = 1.0) -> list[str]:
    """Say where the cost, divided by `share`, is beyond its bound, or nothing where something must be: a tap is off."""
    is_sqlite = ledger() == "sqlite"
    statements = bound.sqlite if is_sqlite else bound.postgresql
    found = [
        ("statements", sum(cost.statements.values()), statements, dict(cost.statements)),
        ("SQL round trips", cost.sql_trips, 0 if is_sqlite else statements, ""),
        ("Redis commands", sum(cost.commands.values()), bound.commands, dict(cost.commands)),
        ("Redis round trips", cost.redis_trips, bound.redis_trips, ""),
    ]
    return [
        f"{count / share:g} {name}, not 0 < n <= {most:g} {details}; {bound.why}"
        for name, count, most, details in found
        if count / share > most or (most and not count)
    ]
