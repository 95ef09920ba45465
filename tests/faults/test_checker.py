"""The checker finds what it is there to find: losses, doubles and other broken promises that are planted here."""

from dataclasses import replace

import pytest

from tests.faults.checker import Evidence, LedgerAttempt, LedgerJob, check, percentile

SUCCESS = (LedgerAttempt(1, "success"),)
KEYS = [f"work-p0-{number}" for number in range(100)]
GOOD = Evidence(
    meant=frozenset(KEYS),
    acknowledged={key: float(number) for number, key in enumerate(KEYS)},
    undone=frozenset(),
    began={key: (number + 0.01,) for number, key in enumerate(KEYS)},
    ended=dict.fromkeys(KEYS, 1),
    jobs=tuple(LedgerJob(key, "succeeded", attempts=SUCCESS) for key in KEYS),
)
VICTIM = KEYS[7]


def with_job(job: LedgerJob) -> Evidence:
    """Return the good records with another row for the victim."""
    return replace(GOOD, jobs=tuple(job if other.key == VICTIM else other for other in GOOD.jobs))


def problems_of(evidence: Evidence) -> str:
    return "; ".join(check(evidence).problems())


def test_records_that_agree_show_no_problem() -> None:
    report = check(GOOD)
    assert not report.problems()
    assert (report.acknowledged, report.succeeded, report.dead, report.runs_per_job) == (100, 100, 0, 1.0)
    assert report.dispatch_p99_seconds == pytest.approx(0.01)


def test_an_empty_run_shows_nothing() -> None:
    assert "nothing was acknowledged" in problems_of(Evidence(frozenset(), {}, frozenset(), {}, {}, ()))


def test_a_job_that_is_missing_from_the_ledger_is_lost() -> None:
    assert check(replace(GOOD, jobs=GOOD.jobs[1:])).lost == [KEYS[0]]


@pytest.mark.parametrize("state", ["queued", "running", "retrying", "scheduled", "blocked"])
def test_an_acknowledged_job_without_a_final_state_is_lost(state: str) -> None:
    assert check(with_job(LedgerJob(VICTIM, state))).lost == [VICTIM]


def test_a_job_that_was_not_acknowledged_has_to_end_as_well() -> None:
    others = {key: at for key, at in GOOD.acknowledged.items() if key != VICTIM}
    assert check(replace(with_job(LedgerJob(VICTIM, "queued")), acknowledged=others)).unfinished == [VICTIM]


def test_a_run_of_a_job_that_was_rolled_back_is_unexpected() -> None:
    evidence = replace(GOOD, meant=GOOD.meant | {"undone-1"}, undone=frozenset({"undone-1"}))
    assert not check(evidence).unexpected
    assert check(replace(evidence, began={**GOOD.began, "undone-1": (5.0,)})).unexpected == ["undone-1"]


def test_a_row_of_a_job_that_was_rolled_back_is_unexpected_before_it_runs() -> None:
    rows = (*GOOD.jobs, LedgerJob("undone-1", "succeeded", attempts=SUCCESS))
    evidence = replace(GOOD, meant=GOOD.meant | {"undone-1"}, undone=frozenset({"undone-1"}), jobs=rows)
    assert check(evidence).unexpected == ["undone-1"]


def test_a_run_that_nobody_meant_is_unexpected() -> None:
    assert check(replace(GOOD, began={**GOOD.began, "ghost": (5.0,)})).unexpected == ["ghost"]


def test_two_successes_are_accepted_twice() -> None:
    twice = LedgerJob(VICTIM, "succeeded", attempts=(*SUCCESS, LedgerAttempt(2, "success")))
    assert check(with_job(twice)).accepted_twice == [VICTIM]


def test_two_attempts_of_one_number_are_accepted_twice() -> None:
    twice = LedgerJob(VICTIM, "succeeded", attempts=(LedgerAttempt(1, "error", True), *SUCCESS))
    assert check(with_job(twice)).accepted_twice == [VICTIM]


def test_two_rows_of_one_enqueue_are_accepted_twice() -> None:
    assert check(replace(GOOD, jobs=(*GOOD.jobs, GOOD.jobs[3]))).accepted_twice == [KEYS[3]]


@pytest.mark.parametrize(("count", "field"), [(0, "not_run"), (2, "accepted_twice")])
def test_an_effect_that_does_not_stand_exactly_once_is_found(count: int, field: str) -> None:
    key = "effect-p0-1"
    evidence = Evidence(
        meant=frozenset({key}),
        acknowledged={key: 1.0},
        undone=frozenset(),
        began={key: (1.1,)},
        ended={key: 1},
        jobs=(LedgerJob(key, "succeeded", attempts=SUCCESS),),
        effects={key: count},
    )
    assert getattr(check(evidence), field) == [key]
    assert not check(replace(evidence, effects={key: 1})).problems()


def test_a_success_without_a_run_that_ended_is_found() -> None:
    assert check(replace(GOOD, ended={**GOOD.ended, VICTIM: 0})).not_run == [VICTIM]
    assert check(with_job(LedgerJob(VICTIM, "succeeded"))).not_run == [VICTIM]


def test_more_runs_than_attempts_are_found() -> None:
    assert check(replace(GOOD, began={**GOOD.began, VICTIM: (7.1, 7.2)})).unrecorded == [VICTIM]


def test_a_rerun_that_the_history_tells_of_is_counted_and_no_problem() -> None:
    told = with_job(LedgerJob(VICTIM, "succeeded", attempts=(LedgerAttempt(1, "lost"), LedgerAttempt(2, "success"))))
    report = check(replace(told, began={**GOOD.began, VICTIM: (7.1, 7.2)}))
    assert not report.problems()
    assert (report.run_twice, report.runs_per_job_max) == (1, 2)


def test_more_failures_than_allowed_are_found() -> None:
    failures = tuple(LedgerAttempt(number, "error", True) for number in (1, 2, 3))
    assert check(with_job(LedgerJob(VICTIM, "dead", 2, failures))).unrecorded == [VICTIM]


def test_a_failed_attempt_without_its_traceback_is_found() -> None:
    history = (LedgerAttempt(1, "error"), LedgerAttempt(2, "success"))
    assert check(with_job(LedgerJob(VICTIM, "succeeded", attempts=history))).without_traceback == [VICTIM]


def test_a_final_state_that_such_a_job_cannot_have_is_found() -> None:
    assert "wrong end" in problems_of(with_job(LedgerJob(VICTIM, "dead", attempts=SUCCESS)))
    cancelled = with_job(LedgerJob(VICTIM, "cancelled", attempts=(LedgerAttempt(1, "cancelled"),)))
    assert not check(cancelled, ends={"work": frozenset({"succeeded", "cancelled"})}).problems()


def test_recovery_is_measured_from_the_end_of_the_fault_to_the_last_late_start() -> None:
    began = {key: (number + (8.0 if 40 <= number <= 55 else 0.01),) for number, key in enumerate(KEYS)}
    report = check(replace(GOOD, began=began), [(40.0, 50.0)])
    assert report.recovery_seconds == pytest.approx(13.0)
    assert report.dispatch_p99_seconds == pytest.approx(0.01)
    assert report.dispatch_max_seconds == pytest.approx(8.0)


def test_a_slow_start_and_a_slow_recovery_are_problems() -> None:
    slow = {key: (number + 3.0,) for number, key in enumerate(KEYS)}
    assert "dispatch_p99_seconds is 3.00" in problems_of(replace(GOOD, began=slow))
    assert "recovery_seconds" in "".join(check(replace(GOOD, began=slow), [(10.0, 20.0)]).problems())
    assert "detection_seconds" in "".join(check(GOOD, detection_seconds=31.0).problems())
    assert not check(GOOD, detection_seconds=31.0).problems(has_limits=False)


def test_a_percentile_is_a_value_that_occurred() -> None:
    assert percentile([float(value) for value in range(1, 101)], 0.99) == 99.0
    assert percentile([], 0.99) is None
