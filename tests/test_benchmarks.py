"""The arithmetic and the memory of the benchmarks; the measuring itself is `make bench`."""

from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.peers import chosen
from benchmarks.results import Results, figures, middle, spread

PLAN = {"peers": ["rq-simple", "queuehub-sqlite"], "measures": ["bulk", "latency"], "repeats": 3, "seconds": 1}


def filled(path: Path) -> Results:
    """Return three repeats of two peers, the last one of which failed."""
    results = Results(path, PLAN, is_resumed=False)
    results.value["machine"] = {"processor": "a slow one"}
    for name, title, rates in (
        ("rq-simple", "RQ, SimpleWorker", (90, 100, 110)),
        ("queuehub-sqlite", "QueueHub on SQLite", (1000, 1100)),
    ):
        setup = {"title": title, "configuration": "c", "bulk": "b", "versions": {"x": "1"}}
        results.value["peers"][name] = setup
        for repeat, rate in enumerate(rates, start=1):
            results.add((name, "bulk", repeat), {"rate": rate})
        results.add((name, "latency", 1), {"p50": 1.0, "p95": 2.0, "p99": 3.0})
    results.add(("queuehub-sqlite", "bulk", 3), {"error": "the client ended with 1"})
    return results


@pytest.mark.fast
def test_a_table_gives_medians_spreads_and_ratios_without_failed_repeats(tmp_path: Path) -> None:
    text = report.document(filled(tmp_path / "run.json").value)
    assert "| RQ, SimpleWorker | 100 ±10 % |" in text
    assert "| QueueHub on SQLite | 1,050 ±5 % (10.5 x) |" in text
    assert "| QueueHub on SQLite | 1.0 ±0 % | 2.0 ±0 % | 3.0 ±0 % |" in text
    assert "- processor: a slow one" in text


@pytest.mark.fast
def test_a_run_goes_on_where_it_was_broken_off_if_the_plan_is_the_same(tmp_path: Path) -> None:
    filled(tmp_path / "run.json")
    again = Results(tmp_path / "run.json", PLAN, is_resumed=True)
    assert again.has(("rq-simple", "bulk", 3))
    assert not again.has(("rq-simple", "bulk", 4))
    other = Results(tmp_path / "run.json", {**PLAN, "seconds": 2}, is_resumed=True)
    assert not other.has(("rq-simple", "bulk", 3))


@pytest.mark.fast
def test_peers_are_chosen_by_the_beginnings_of_their_names() -> None:
    assert list(chosen(["rq", "queuehub-s"])) == ["queuehub-sqlite", "rq-simple", "rq-worker"]
    with pytest.raises(ValueError, match="no peer is called 'kafka'"):
        chosen(["kafka"])


@pytest.mark.fast
def test_nothing_measured_has_no_middle(tmp_path: Path) -> None:
    assert middle(figures(filled(tmp_path / "run.json").value, "huey", "bulk")) is None
    assert spread([]) == 0.0
