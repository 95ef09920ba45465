"""The sample: a ledger of made-up history that is as legal as a real one."""

from collections import Counter
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from demo.sample import Sample, least_attempts
from demo.sample_failures import FAILURES, name_of
from demo.sample_names import QUEUES, RARE_TASK
from jobs.fingerprints import fingerprint_of, frame_of
from jobs.models import Attempt, Failure, FailureGroup, Job
from jobs.states import FINAL
from jobs.statistics import totals

JOBS, ATTEMPTS = 6000, 7200


@pytest.mark.django_db
def test_a_sample_has_the_jobs_attempts_and_statistics_that_were_asked_for() -> None:
    Sample(JOBS, ATTEMPTS, seed=1).write("default")
    states = Counter(Job.objects.values_list("state", flat=True))
    assert (states["dead"], states["queued"], sum(states.values())) == (JOBS // 20, JOBS // 10, JOBS)
    assert Attempt.objects.count() == ATTEMPTS
    assert Job.objects.values("queue").distinct().count() == len(QUEUES)
    assert Job.objects.filter(task=RARE_TASK).count() == 1
    for job in Job.objects.filter(state__in=FINAL).exclude(state="cancelled").order_by("?")[:100]:
        attempts = list(job.attempts.all())
        assert [attempt.number for attempt in attempts] == list(range(1, job.attempt + 1))
        assert attempts[-1].outcome == ("success" if job.state == "succeeded" else "error")
        assert abs(job.finished_at - attempts[-1].finished_at) < timedelta(milliseconds=1)
    assert not Job.objects.filter(state="dead", fingerprint=None).exists()
    assert sum(FailureGroup.objects.values_list("count", flat=True)) == Attempt.objects.filter(outcome="error").count()
    assert (FailureGroup.objects.count(), Failure.objects.count()) == (300, 0)
    counted: Counter[str] = Counter()
    for figures in totals().values():
        counted.update(figures.counts)
    assert counted["success"] + counted["error"] == ATTEMPTS
    assert {name: counted[f"state_{name}"] for name in ("dead", "succeeded")} == {
        name: states[name] for name in ("dead", "succeeded")
    }


@pytest.mark.fast
def test_the_sample_fails_in_300_ways() -> None:
    assert len({(each.exception_class, each.template, each.path) for each in FAILURES}) == 300
    assert len({name_of(each) for each in FAILURES}) == 300
    for each in FAILURES:
        text = each.traceback(123_456)
        assert fingerprint_of(each.exception_class, each.message(123_456), frame_of(text)) == name_of(each)[0]
    assert FAILURES[0].traceback(7).endswith(f"TimeoutError: {FAILURES[0].message(7)}\n")


@pytest.mark.django_db
def test_a_sample_goes_into_an_empty_ledger_only() -> None:
    call_command("jobs_sample", "--jobs", "100")
    with pytest.raises(CommandError, match="Give an empty database"):
        call_command("jobs_sample", "--jobs", "100")


@pytest.mark.fast
def test_more_or_fewer_attempts_than_the_states_allow_are_refused() -> None:
    least = least_attempts(1000)
    with pytest.raises(ValueError, match=f"take {least} to"):
        Sample(1000, least - 1, seed=1)
