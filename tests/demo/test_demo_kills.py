"""One summary per package, whatever is killed meanwhile: real workers, real SIGKILL."""

import os
import signal

import psutil
import pytest

from demo import library
from demo.models import Package, Run
from demo.packages import SUMMARY_TASK
from demo.tally import lost_count, tally
from demo.workload import enqueue_rest
from jobs.models import Job
from jobs.states import JobState
from tests.support import eventually

pytestmark = [pytest.mark.slow, pytest.mark.one_ledger, pytest.mark.timeout(180)]
NAMES = ("broken", "stdlib/asyncio", "stdlib/email", "stdlib/json")


def test_every_package_has_one_summary_after_kills_of_child_and_pool(manage):
    run = Run.objects.create()
    packages = library.find_packages()
    list(enqueue_rest(run, {name: packages[name] for name in NAMES}))
    manage("jobs_scheduler")
    pool = manage("jobs_worker", "--processes", "2")
    eventually(lambda: tally(run).count(JobState.SUCCEEDED) > 5, timeout_seconds=60)
    psutil.Process(pool.pid).children()[0].kill()
    eventually(lambda: tally(run).count(JobState.SUCCEEDED) > 15, timeout_seconds=60)
    os.killpg(pool.pid, signal.SIGKILL)
    pool.wait()
    manage("jobs_worker", "--processes", "2")
    summaries = Job.objects.filter(task=SUMMARY_TASK)
    eventually(lambda: summaries.succeeded().count() == len(NAMES), 120, "the packages do not end")
    assert sorted(summaries.values_list("subject", "state")) == [(name, "succeeded") for name in NAMES]
    assert tally(run).count(JobState.DEAD) == len(packages["broken"])
    assert lost_count(run) == 0
    for package in Package.objects.all():
        assert package.summary_job.result["files"] == package.files.count() == len(packages[package.name])
