"""The arithmetic of the survival trials, on logs with planted losses and doubles; the trials are `make survival`."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.survival import report
from benchmarks.survival.adapter import FAILED, OWN_RECORD, QUEUE
from benchmarks.survival.systems import SYSTEMS, chosen
from benchmarks.survival.verdict import Fault, Line, acknowledged, journal, judge, percentile
from benchmarks.survival.work import BEGAN, ENDED

pytestmark = pytest.mark.fast

KILL = [Fault(10.0, is_kill=True)]
FLUSH = [Fault(10.0, is_kill=False)]


def run(key: str, begun: float, ended: float | None, tree: str = "worker-0.1") -> list[Line]:
    """Return the lines of one run; one without an end was cut off."""
    end = [] if ended is None else [Line(ENDED, key, tree, ended)]
    return [Line(BEGAN, key, tree, begun), *end]


def accepted(*keys: str) -> dict[str, float]:
    """Return jobs that were acknowledged one after the other."""
    return {key: number / 10 for number, key in enumerate(keys)}


def test_each_unfinished_job_is_counted_once_by_where_it_is_found() -> None:
    lines = [*run("done", 1, 2), *run("cut", 9.9, None), *run("unlisted", 3, 4)]
    held = {QUEUE: ["waiting"], "unacknowledged": ["cut", "done"], FAILED: ["dead"], OWN_RECORD: ["orphan"]}
    found = judge(accepted("done", "cut", "waiting", "dead", "orphan", "gone"), lines, KILL, held)
    counts = [found[name] for name in ("acknowledged", "finished", "lost", "stranded", "failed", "twice")]
    assert counts == [6, 1, 1, 3, 1, 0]
    assert found["places"] == {QUEUE: 1, "unacknowledged": 1, FAILED: 1, OWN_RECORD: 1}
    assert found["cut_off"] == 1
    assert found["lost_in_mid_run"] == 0


def test_a_job_that_was_begun_and_is_held_nowhere_was_lost_in_mid_run() -> None:
    found = judge(accepted("cut", "never"), run("cut", 9.9, None), KILL, {})
    assert (found["lost"], found["lost_in_mid_run"]) == (2, 1)


def test_a_job_that_ended_twice_is_a_double_and_one_that_began_twice_is_not() -> None:
    lines = [*run("double", 1, 2), *run("double", 12, 13), *run("again", 9.9, None), *run("again", 12, 13)]
    found = judge(accepted("double", "again"), lines, KILL, {})
    assert (found["finished"], found["twice"], found["cut_off"]) == (2, 1, 1)


def test_what_was_not_acknowledged_is_not_counted() -> None:
    found = judge(accepted("known"), [*run("known", 1, 2), *run("-1", 1, 2), *run("-1", 3, 4)], KILL, {QUEUE: ["-2"]})
    assert (found["acknowledged"], found["finished"], found["twice"], found["stranded"]) == (1, 1, 0, 0)


def test_recovery_is_from_the_kill_that_cut_a_job_off_to_its_end() -> None:
    faults = [Fault(5.0, is_kill=True), *KILL]
    lines = [*run("early", 1, 2), *run("cut", 9.5, None), *run("cut", 14, 14.5)]
    found = judge(accepted("early", "cut"), lines, faults, {})
    assert (found["held_up"], found["recovery_max_seconds"], found["recovery_p99_seconds"]) == (1, 4.5, 4.5)


def test_recovery_of_a_flushed_message_is_from_the_flush_to_the_end_of_the_overtaken_job() -> None:
    lines = [*run("later", 11, 11.5), *run("flushed", 15.5, 16), *run("near", 11.5, 12)]
    found = judge(accepted("flushed", "near", "later"), lines, FLUSH, {})
    assert (found["held_up"], found["recovery_max_seconds"]) == (1, 6.0)
    assert found["resumed_seconds"] == 1.5


def test_the_backlog_at_a_fault_is_what_was_acknowledged_and_had_not_ended() -> None:
    found = judge(accepted("done", "running", "waiting"), [*run("done", 1, 2), *run("running", 9, 11)], FLUSH, {})
    assert found["waiting_at_faults"] == [2]


def test_a_quiet_trial_has_no_recovery() -> None:
    found = judge(accepted("a", "b"), [*run("a", 1, 2), *run("b", 2, 3)], KILL, {})
    assert (found["held_up"], found["recovery_max_seconds"], found["resumed_seconds"]) == (0, None, None)


def test_a_percentile_is_the_nearest_rank() -> None:
    assert percentile([3, 1, 2], 99) == 3
    assert percentile(list(range(1, 201)), 99) == 198


def test_logs_are_read_back_without_a_line_that_was_cut_off(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("began 1 worker-0.1 1.5\nended 1 worker-0.1 1.6\nbegan 2")
    (tmp_path / "acknowledged").write_text("1 1.25\n2 1.50\n")
    assert journal(tmp_path / "journal") == run("1", 1.5, 1.6)
    assert list(acknowledged(tmp_path / "acknowledged").items()) == [("1", 1.25), ("2", 1.5)]


def trial(peer: str, repeat: int, **figures: Any) -> dict[str, Any]:
    """Return what a run keeps of one trial."""
    lines = [*run("a", 1, 2), *run("b", 9.9, None)]
    value = judge(accepted("a", "b"), lines, KILL, {}) | {"refused": 0, "self_ended": 0, "load": 1.5}
    return {"peer": peer, "measure": "kills", "repeat": repeat, **value, **figures}


def test_the_report_sums_the_repeats_and_shows_each_where_they_differ() -> None:
    plan = {"scenarios": ["kills"], "repeats": 2, "backlog": 1, "rate": 50, "milliseconds": 50}
    setup = {"title": "t", "configuration": "c", "versions": {"rq": "3.0.0"}}
    runs = [trial("rq", 1, lost=3), trial("rq", 2, lost=4), {**trial("celery", 1), "error": "it did not start"}]
    value = {"plan": plan, "machine": {"processor": "slow"}, "peers": {"rq": setup}, "runs": runs}
    text = report.document({**value, "seed": 7, "took_seconds": 90})
    assert "| RQ, defaults | 2 | 4 | 2 | 7 (3, 4) | 0 | 0 | 0 | 2 | - | - | 1 | 60 s | lost in mid-run: 2 |" in text
    assert "| Celery, defaults | no trial succeeded |" in text
    assert "seeds: 7, 8" in text


def test_systems_are_chosen_by_their_names() -> None:
    assert list(chosen(["rq", "queuehub"])) == ["queuehub", "rq"]
    assert list(chosen([])) == list(SYSTEMS)
    with pytest.raises(ValueError, match="no system is called 'kafka'"):
        chosen(["kafka"])
