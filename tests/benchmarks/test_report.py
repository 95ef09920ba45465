"""The report's tables, goals and expectations, on figures that were made up."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import report, tables
from benchmarks.goals import expectation_table, goal_table

pytestmark = pytest.mark.fast

TITLES = {
    "queuehub-postgresql": "QueueHub on PostgreSQL",
    "rq-simple": "RQ, SimpleWorker",
    "dramatiq": "Dramatiq on Redis",
    "procrastinate": "Procrastinate",
    "floor-redis": "Floor: redis-py",
}


def measured(*runs: dict[str, Any]) -> dict[str, Any]:
    """Return results with these runs, each the first repeat of its peer unless it says otherwise."""
    setup = {"configuration": "c", "bulk": "b", "versions": {"x": "1"}}
    return {
        "plan": {"seconds": 5.0},
        "machine": {"processor": "a slow one"},
        "notes": {"bullmq": "BullMQ on Redis (Node) was not measured: Node not found"},
        "peers": {name: {"title": title, **setup} for name, title in TITLES.items()},
        "runs": [{"repeat": 1, **run} for run in runs],
    }


def rate(peer: str, measure: str, *rates: float) -> list[dict[str, Any]]:
    """Return repeats of a rate."""
    return [
        {"peer": peer, "measure": measure, "repeat": repeat, "rate": each} for repeat, each in enumerate(rates, start=1)
    ]


def grown(before: float, after: float) -> dict[str, Any]:
    """Return a growth with these rates in the midst of the backlog; it was 100 with small tables."""
    steps = [{"finished": 10, "single": 5.0, "bulk": 50.0, "drain": 100.0}]
    backlog = {"rows": 1000, "bulk": 25.0, "before": before, "after": after}
    return {"peer": "queuehub-postgresql", "measure": "growth", "steps": steps, "backlog": backlog}


def test_a_table_gives_medians_spreads_and_ratios_without_failed_repeats(tmp_path: Path) -> None:
    failed = {"peer": "queuehub-postgresql", "measure": "bulk", "repeat": 3, "error": "the client ended with 1"}
    own, other = rate("queuehub-postgresql", "bulk", 1000, 1100), rate("rq-simple", "bulk", 90, 100, 110)
    waits = {"peer": "rq-simple", "measure": "latency", "p50": 1.0, "p95": 2.0, "p99": 3.0}
    text = report.document(measured(*own, *other, failed, waits), tmp_path)
    assert "| RQ, SimpleWorker | 100 ±10 % |" in text
    assert "| QueueHub on PostgreSQL | 1,050 ±5 % (10.5 x) |" in text
    assert "| RQ, SimpleWorker | 1.0 ±0 % | 2.0 ±0 % | 3.0 ±0 % |" in text
    assert "- processor: a slow one" in text
    assert "- Failed: QueueHub on PostgreSQL, bulk, repeat 3: the client ended with 1" in text
    assert "Node not found" in text
    assert "images/" not in text


def test_costs_memory_kills_and_growth_have_a_line_for_each_system_that_was_measured() -> None:
    spent = {"commands": 0.5, "reads": 0.0625, "statements": 0.075, "wal_bytes": 1234.4}
    own = {"peer": "queuehub-postgresql"}
    doubled = {"doubled": 1, "recovery_seconds": 9}
    text = tables.all_tables(
        measured(
            {**own, "measure": "cost", "enqueue": spent, "drain": spent, "count": 10},
            {**own, "measure": "memory", "idle_bytes": 98_600_000, "busy_bytes": 101_000_000, "companions_bytes": 0},
            {**own, "measure": "kill", "count": 1000, "interrupted": 2, "lost": 0, "held": 3, **doubled},
            grown(before=90.0, after=80.0),
        )
    )
    name = "| QueueHub on PostgreSQL |"
    assert f"{name} 0.5 | 0.0625 | 0.075 | 1,234 | 0.5 | 0.0625 | 0.075 | 1,234 |" in text
    assert f"{name} 99 | 101 | - |" in text
    assert f"{name} 1,000 | 2 | 0 | 3 | 1 | 9.0 |" in text
    assert f"{name} 10 | - | 5 (1.00 x) | 50 (1.00 x) | 100 (1.00 x) |" in text
    assert f"{name} 10 | 1,000 | - | 25 (0.50 x) | 90 (0.90 x), after ANALYZE 80 (0.80 x) |" in text


def test_a_goal_is_met_only_if_every_part_of_it_is() -> None:
    others = [*rate("rq-simple", "drain-noop-1", 100), *rate("procrastinate", "drain-noop-1", 200)]
    own = rate("queuehub-postgresql", "drain-noop-1", 9000)
    met = goal_table(measured(*own, *others, *rate("dramatiq", "drain-noop-1", 4400)))
    assert "2.05 x Dramatiq on Redis, 90 x RQ, SimpleWorker, 45 x Procrastinate | yes | 15,000/s | **no** |" in met[2]
    missed = goal_table(measured(*own, *others, *rate("dramatiq", "drain-noop-1", 4600)))
    assert "1.96 x Dramatiq on Redis" in missed[2]
    assert "| **no** | 15,000/s | **no** |" in missed[2]
    assert "| not measured | - |" in goal_table(measured(*own))[2]


def test_growth_is_judged_by_the_slower_of_the_two_plans() -> None:
    def line(before: float, after: float) -> str:
        return next(line for line in goal_table(measured(grown(before, after))) if line.startswith("| growth, Postgre"))

    assert "0.81 x, after ANALYZE 0.99 x | yes | 0.95 x | **no** |" in line(81, 99)
    assert "| **no** | 0.95 x | **no** |" in line(99, 79)


def test_a_peer_far_below_what_was_expected_after_scaling_needs_an_explanation() -> None:
    floor = rate("floor-redis", "single", 0.5 / 105e-6)  # a machine half as fast
    drains = [*rate("dramatiq", "drain-noop-1", 2150), *rate("dramatiq", "drain-noop-2", 4400)]
    slow = [*rate("procrastinate", "drain-noop-1", 100), *rate("procrastinate", "drain-noop-2", 300)]
    lines = expectation_table(measured(*floor, *drains, *slow))
    assert "| Dramatiq on Redis | 1.00 of 2,150 | 1.00 of 4,400 |  |" in lines
    assert "| Procrastinate | 0.41 of 245 | 1.18 of 255 | not explained |" in lines
    assert expectation_table(measured(*drains)) == []
