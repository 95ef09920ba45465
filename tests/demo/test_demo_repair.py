"""The demo's repair: a dead letter with the wrong encoding succeeds once an operator names the right one."""

import pytest

from demo import library
from demo.models import Run
from demo.packages import SUMMARY_TASK
from demo.workload import enqueue_rest
from jobs.lifecycle import operate
from jobs.models import DeadLetter, Job
from tests.support import eventually

pytestmark = [pytest.mark.slow, pytest.mark.one_ledger, pytest.mark.timeout(120)]


def test_an_operator_who_adds_the_encoding_repairs_the_file(manage, operator):
    run = Run.objects.create()
    list(enqueue_rest(run, {"broken": library.find_packages()["broken"]}))
    manage("jobs_scheduler")
    manage("jobs_worker", "--processes", "1")
    eventually(lambda: run.packages.exclude(summary_job=None).exists(), 90, "the broken files do not end")
    dead = DeadLetter.objects.get(args=["broken/latin1_without_cookie.py.txt"])
    assert [attempt.outcome for attempt in dead.attempts.all()] == ["error"] * 3
    assert all("declaration for 'broken/latin1_without_cookie" in attempt.traceback for attempt in dead.attempts.all())
    operate.revive([dead.pk], actor=operator, reason="it is latin-1", kwargs={"encoding": "latin-1"})
    eventually(lambda: Job.objects.get(pk=dead.pk).state == "succeeded", timeout_seconds=30)
    assert Job.objects.get(pk=dead.pk).result["functions"] == 1
    assert Job.objects.filter(task=SUMMARY_TASK).count() == 1
