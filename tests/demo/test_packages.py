"""Counting a package down: one summary, after the last file, however that one ended."""

import threading

import pytest
from django.db import connection, transaction
from django.utils import timezone

from demo.models import Run
from demo.packages import SUMMARY_TASK, count_ended_files, count_file, summary_of
from demo.workload import enqueue_rest
from jobs.models import Job

FIGURES = {"lines": 10, "functions": 2, "classes": 1, "sha256": "0" * 64}


@pytest.fixture
def package(db):
    run = Run.objects.create()
    list(enqueue_rest(run, {"site/shop": ["site/shop/a.py", "site/shop/b.py", "site/shop/c.py"]}))
    return run.packages.get()


def file_jobs(package):
    return [file.job for file in package.files.order_by("path")]


def end(job, state, result=None):
    Job.objects.filter(pk=job.pk).update(
        state=state, finished_at=timezone.now(), published_at=None, result=result
    )


def summaries():
    return Job.objects.filter(task=SUMMARY_TASK)


def test_the_summary_comes_with_the_last_file_and_not_before(package):
    *first, last = file_jobs(package)
    for job in first:
        count_file(job.pk)
    assert not summaries().exists()
    count_file(last.pk)
    package.refresh_from_db()
    assert summaries().get() == package.summary_job
    assert package.summary_job.correlation_id == package.run.correlation_id


def test_a_file_that_is_counted_twice_is_one_file(package):
    first, second, _ = file_jobs(package)
    for job in (first, first, second, second):
        count_file(job.pk)
    assert not summaries().exists()


def test_the_last_file_being_dead_brings_the_summary(package):
    first, second, last = file_jobs(package)
    count_file(first.pk)
    end(last, "dead")
    assert count_ended_files() == 1
    assert not summaries().exists()
    end(second, "dead")
    assert count_ended_files() == 1
    assert summaries().count() == 1


def test_a_revived_file_brings_no_second_summary(package):
    for job in file_jobs(package):
        end(job, "dead")
    count_ended_files()
    end(summaries().get(), "succeeded")
    count_file(file_jobs(package)[0].pk)
    assert count_ended_files() == 0
    assert summaries().count() == 1


def test_a_rolled_back_file_is_not_counted(package):
    first, second, last = file_jobs(package)
    count_file(first.pk)
    count_file(second.pk)
    with transaction.atomic():
        count_file(last.pk)
        transaction.set_rollback(True)
    assert not summaries().exists()
    count_file(last.pk)
    assert summaries().count() == 1


def test_a_job_without_a_file_changes_nothing(package):
    count_file("0190a0a0-0000-7000-8000-000000000000")
    assert not summaries().exists()


def test_the_summary_adds_the_living_up_and_counts_the_dead(package):
    first, second, last = file_jobs(package)
    end(first, "succeeded", {**FIGURES, "longest_function": {"name": "short", "lines": 3}})
    end(second, "succeeded", {**FIGURES, "longest_function": {"name": "long", "lines": 9}})
    end(last, "dead")
    assert summary_of(package) == {
        "package": "site/shop",
        "files": 3,
        "dead": 1,
        "lines": 20,
        "functions": 4,
        "classes": 2,
        "longest_function": {"name": "long", "lines": 9, "path": "site/shop/b.py"},
    }


@pytest.mark.django_db(transaction=True)
def test_two_files_that_finish_at_the_same_moment_bring_one_summary():
    run = Run.objects.create()
    list(enqueue_rest(run, {"site/shop": ["site/shop/a.py", "site/shop/b.py"]}))
    one, other = file_jobs(run.packages.get())
    has_counted, may_commit = threading.Event(), threading.Event()

    def first() -> None:
        with transaction.atomic():
            count_file(one.pk)
            has_counted.set()
            may_commit.wait(0.3)  # the other one has begun by then, and waits for our lock
        connection.close()

    def second() -> None:
        has_counted.wait(10)
        count_file(other.pk)
        may_commit.set()
        connection.close()

    threads = [threading.Thread(target=target) for target in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert summaries().count() == 1
