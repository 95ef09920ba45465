"""What QueueHub wants to reach, beside what was measured; and what was expected of the others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.results import median_of, single_run

POSTGRESQL, SQLITE = "queuehub-postgresql", "queuehub-sqlite"
FIRST_SIZE_SHARE = 0.8
IDLE_BYTES = 100_000_000

Value = dict[str, Any]
Finding = tuple[str, bool, bool | None]
"""What was measured, in words; whether the goal is met; whether the stretch is, if there is one."""


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the goals; `find` gives None without the figures that it needs."""

    what: str
    goal: str
    stretch: str
    find: Callable[[Value], Finding | None]


EXPECTED_CALL_SECONDS = 105e-6
"""What a call of redis-py cost on the machine of the expected figures."""

EXPECTED = {
    "rq-simple": (330, 500),
    "rq-worker": (67, 84),
    "celery-prefork": (800, 1050),
    "celery-threads": (800, 1050),
    "dramatiq": (4300, 8800),
    "huey": (2300, 4000),
    "taskiq": (2500, 5000),
    "bullmq": (9100, 9100),
    "procrastinate": (490, 510),
    "django-tasks-db": (270, 590),
}
"""No-op jobs per second with one process and with two, as measured before on another machine with two cores."""

LEAST_SHARE = 0.7
EXPLANATIONS: dict[str, str] = {}
"""Why a peer is below the least share of what was expected of it, by its name."""


def goal_table(value: Value) -> list[str]:
    """Return the goals with what was measured, as lines of Markdown."""
    lines = ["| what | goal | measured | goal met | stretch | stretch met |", "|---|---|---|---|---|---|"]
    for goal in GOALS:
        found = goal.find(value)
        measured, is_met, is_stretched = found if found else ("not measured", None, None)
        lines.append(
            f"| {goal.what} | {goal.goal} | {measured} | {_yes(is_met)} | {goal.stretch} | {_yes(is_stretched)} |"
        )
    return lines


def expectation_table(value: Value) -> list[str]:
    """Return the peers' drains as shares of what was expected of them, as lines of Markdown; [] without the floor.

    The expectation is scaled by what a call of redis-py costs here.
    """
    call_rate = median_of(value, "floor-redis", "single")
    if call_rate is None:
        return []
    scale = call_rate * EXPECTED_CALL_SECONDS
    lines = [
        f"| drain, jobs per second (expected x {scale:.2f}) | 1 process | 2 processes | why below {LEAST_SHARE} |",
        "|---|---:|---:|---|",
    ]
    for name, expected in EXPECTED.items():
        found = [median_of(value, name, f"drain-noop-{count}") for count in (1, 2)]
        if name not in value["peers"] or None in found:
            continue
        shares = [rate / (wanted * scale) for rate, wanted in zip(found, expected, strict=True) if rate is not None]
        cells = [f"{share:.2f} of {wanted * scale:,.0f}" for share, wanted in zip(shares, expected, strict=True)]
        why = EXPLANATIONS.get(name, "not explained") if min(shares) < LEAST_SHARE else ""
        lines.append(f"| {value['peers'][name]['title']} | {' | '.join(cells)} | {why} |")
    return lines


def _one_process(value: Value) -> Finding | None:
    rate = median_of(value, POSTGRESQL, "drain-noop-1")
    others = {"dramatiq": 2, "rq-simple": 25, "procrastinate": 15}
    bases = {name: median_of(value, name, "drain-noop-1") for name in others}
    if rate is None or None in bases.values():
        return None
    ratios = {name: rate / base for name, base in bases.items() if base}
    words = ", ".join(f"{ratio:.3g} x {value['peers'][name]['title']}" for name, ratio in ratios.items())
    return f"{rate:,.0f}/s: {words}", all(ratios[name] >= least for name, least in others.items()), rate >= 15_000


def _two_processes(value: Value) -> Finding | None:
    one, two = (median_of(value, POSTGRESQL, f"drain-noop-{count}") for count in (1, 2))
    if one is None or two is None:
        return None
    return f"{two:,.0f}/s: {two / one:.2f} x", two >= 1.5 * one, two >= 16_200


def _ratio(name: str, measure: str, base: str, least: float) -> Callable[[Value], Finding | None]:
    def find(value: Value) -> Finding | None:
        rate, other = median_of(value, name, measure), median_of(value, base, measure)
        if rate is None or other is None:
            return None
        return f"{rate:,.0f}/s: {rate / other:.2f} x", rate >= least * other, None

    return find


def _bulk(value: Value) -> Finding | None:
    rate, other = (median_of(value, name, "bulk") for name in (POSTGRESQL, "procrastinate"))
    if rate is None or other is None:
        return None
    return f"{rate:,.0f}/s: {rate / other:.2f} x Procrastinate", rate >= max(12_000, other), rate >= 20_000


def _single(value: Value) -> Finding | None:
    rate, other, bare = (median_of(value, n, "single") for n in (POSTGRESQL, "django-tasks-db", "floor-postgresql"))
    if rate is None or other is None or bare is None:
        return None
    words = f"{rate:,.0f}/s: {rate / other:.2f} x django-tasks-db, {rate / bare:.2f} x a bare INSERT"
    return words, rate >= 1.2 * other, rate >= 0.85 * bare


def _latency(name: str) -> Callable[[Value], Finding | None]:
    def find(value: Value) -> Finding | None:
        half, most = median_of(value, name, "latency", "p50"), median_of(value, name, "latency", "p99")
        if half is None or most is None:
            return None
        return f"p50 {half:.1f} ms, p99 {most:.1f} ms", half <= 3 and most <= 10, half <= 1.1

    return find


def _round_trips(value: Value) -> Finding | None:
    run = single_run(value, POSTGRESQL, "cost")
    if run is None:
        return None
    statements, reads = run["drain"]["statements"], run["drain"]["reads"]
    return f"{statements:.3f} statements, {reads:.3f} round trips", max(statements, reads) <= 0.1, None


def _growth(name: str) -> Callable[[Value], Finding | None]:
    def find(value: Value) -> Finding | None:
        run = single_run(value, name, "growth")
        if run is None:
            return None
        first = run["steps"][0]["drain"]
        before, after = run["backlog"]["before"] / first, run["backlog"]["after"] / first
        least = min(before, after)
        return f"{before:.2f} x, after ANALYZE {after:.2f} x", least >= FIRST_SIZE_SHARE, least >= 0.95

    return find


def _idle(value: Value) -> Finding | None:
    run = single_run(value, POSTGRESQL, "memory")
    if run is None:
        return None
    return f"{run['idle_bytes'] / 1e6:.0f} MB", run["idle_bytes"] <= IDLE_BYTES, None


def _killed(value: Value) -> Finding | None:
    runs = [run for run in (single_run(value, name, "kill") for name in (POSTGRESQL, SQLITE)) if run]
    if not runs:
        return None
    lost = sum(run["lost"] + run["held"] for run in runs)
    count = sum(run["count"] for run in runs)
    return f"{lost} of {count:,}; over all faults see [faults.md](faults.md)", lost == 0, None


def _yes(is_met: bool | None) -> str:
    return {True: "yes", False: "**no**", None: "-"}[is_met]


GOALS = (
    Goal(
        "durable drain, PostgreSQL, one process",
        "≥ 2 x Dramatiq on Redis, ≥ 25 x RQ's SimpleWorker, ≥ 15 x Procrastinate", "15,000/s", _one_process,
    ),
    Goal("durable drain, PostgreSQL, two processes", "≥ 1.5 x our own one process", "16,200/s", _two_processes),
    Goal(
        "durable drain, SQLite, one process",
        "≥ 2 x Dramatiq on Redis", "-", _ratio(SQLITE, "drain-noop-1", "dramatiq", 2),
    ),
    Goal("bulk enqueue, PostgreSQL, row and message", "≥ 12,000/s and ≥ Procrastinate's", "20,000/s", _bulk),
    Goal(
        "single enqueue, autocommit, row and message",
        "≥ 1.2 x django-tasks-db", "within 15 % of a bare INSERT", _single,
    ),
    Goal("latency at 50 jobs/s, PostgreSQL", "p50 ≤ 3 ms, p99 ≤ 10 ms", "p50 of 1.1 ms", _latency(POSTGRESQL)),
    Goal("latency at 50 jobs/s, SQLite", "p50 ≤ 3 ms, p99 ≤ 10 ms", "p50 of 1.1 ms", _latency(SQLITE)),
    Goal("round trips per job in a drain", "≤ 0.1 SQL statements, ≤ 0.1 Redis round trips", "-", _round_trips),
    Goal("growth, PostgreSQL: drain at the largest size", "≥ 0.8 x the smallest size's", "0.95 x", _growth(POSTGRESQL)),
    Goal("growth, SQLite: drain at the largest size", "≥ 0.8 x the smallest size's", "0.95 x", _growth(SQLITE)),
    Goal("idle memory, pool of two", "≤ 100 MB together", "-", _idle),
    Goal("jobs lost to kill -9 in mid-drain", "0", "-", _killed),
)  # fmt: skip
