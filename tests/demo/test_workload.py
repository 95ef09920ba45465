"""A run: everything once, gone on with when unfinished, begun anew when done."""

import pytest
from django.utils import timezone

from demo.models import Run, SourceFile
from demo.packages import count_ended_files
from demo.tally import is_finished, lost_count, retried_count, tally
from demo.workload import PARTNER_COUNT, current_run, enqueue_rest
from jobs.models import Job

PACKAGES = {"broken": ["broken/utf16.py.txt"], "stdlib": ["stdlib/os.py", "stdlib/ast.py"]}
OTHER_COUNT = PARTNER_COUNT + 2

pytestmark = pytest.mark.django_db


def end_all(state="succeeded"):
    Job.objects.unfinished().update(state=state, finished_at=timezone.now(), published_at=None)


def finish(run):
    end_all()
    count_ended_files()
    end_all()


def test_every_file_and_every_other_job_is_enqueued_once():
    run = current_run()
    counts = list(enqueue_rest(run, PACKAGES))
    assert sum(counts) == OTHER_COUNT + 3 == Job.objects.count()
    assert set(SourceFile.objects.values_list("path", flat=True)) == {x for y in PACKAGES.values() for x in y}
    assert {tuple(job.args) for job in Job.objects.filter(task="demo.tasks.analyse_file")} == {
        ("broken/utf16.py.txt",),
        ("stdlib/os.py",),
        ("stdlib/ast.py",),
    }


def test_an_unfinished_run_goes_on_without_enqueuing_anything_twice():
    run = current_run()
    list(enqueue_rest(run, {"broken": PACKAGES["broken"]}))
    Run.objects.update(is_enqueued=False)  # as if it had been killed between two batches
    again = current_run()
    assert again == run
    assert sum(enqueue_rest(again, PACKAGES)) == 2
    assert list(enqueue_rest(again, PACKAGES)) == []
    assert Job.objects.count() == OTHER_COUNT + 3


def test_a_finished_run_is_followed_by_a_new_one():
    run = current_run()
    list(enqueue_rest(run, PACKAGES))
    assert not is_finished(run)
    finish(run)
    assert is_finished(run)
    assert current_run() != run


def test_a_run_without_its_last_summary_is_not_finished():
    run = current_run()
    list(enqueue_rest(run, PACKAGES))
    end_all()
    assert not is_finished(run)


def test_the_periodic_census_does_not_keep_a_run_from_being_finished():
    run = current_run()
    list(enqueue_rest(run, PACKAGES))
    finish(run)
    Job.objects.enqueue("demo.tasks.census")
    assert is_finished(run)


def test_the_tally_counts_states_and_what_the_ledger_has_lost():
    run = current_run()
    list(enqueue_rest(run, PACKAGES))
    finish(run)
    jobs = Job.objects.filter(correlation_id=run.correlation_id)
    jobs.filter(subject="broken", task="demo.tasks.analyse_file").update(state="dead", attempt=3)
    total = OTHER_COUNT + 3 + len(PACKAGES)
    before = tally(run)
    assert (before.enqueued, before.finished, before.pending) == (total, total, 0)
    assert (before.states["dead"], retried_count(run), lost_count(run)) == (1, 1, 0)
    file, summary = SourceFile.objects.first(), run.packages.first().summary_job
    Job.objects.filter(pk__in=[file.job_id, summary.pk, run.other_job_ids[0]]).delete()
    assert lost_count(run) == 3
    assert tally(run).enqueued == total
