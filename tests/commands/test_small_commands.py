"""Pause, resume, enqueue and prune from the shell."""

import sys
from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from jobs.lifecycle import operate, retention
from jobs.management.operator import account
from jobs.models import Attempt, AuditEntry, Job, Queue, Statistic
from jobs.states import JobState
from tests.commands.calling import Ended, Keyboard, run
from tests.factories import ADD, make_job

pytestmark = pytest.mark.django_db

LETTER = "tests.engine.tasks.letter"


def test_queues_are_paused_and_resumed() -> None:
    Queue.objects.create(name="mail")
    ended = run("jobs_pause", "mail", "letters", "--reason", "provider down")
    assert ended == Ended("Queue mail is paused.\nQueue letters is paused.\n", "", 0)
    queue = Queue.objects.get(name="mail")
    assert (queue.paused_by, queue.paused_reason) == (account(), "provider down")
    assert run("jobs_pause", "mail").out == "Queue mail was paused already.\n"
    ended = run("jobs_resume", "mail", "--actor", "ann")
    assert ended == Ended("Queue mail is resumed.\n", "", 0)
    assert run("jobs_resume", "mail").out == "Queue mail was not paused.\n"
    assert list(AuditEntry.objects.order_by("id").values_list("action", "target", "actor")) == [
        ("pause", "queue mail", account()), ("pause", "queue letters", account()), ("resume", "queue mail", "ann"),
    ]  # fmt: skip


def test_a_queue_that_nobody_knows_is_paused_with_a_word() -> None:
    Queue.objects.create(name="letters")
    ended = run("jobs_pause", "leters")
    assert (ended.code, ended.out) == (0, "Queue leters is paused.\n")
    assert ended.err.strip() == (
        "Nobody has used a queue leters yet. Did you mean letters? Then: manage.py jobs_resume leters"
    )


def test_a_queue_that_nobody_knows_is_not_resumed_in_silence() -> None:
    operate.pause_queue("letters", actor="ann")
    ended = run("jobs_resume", "leters", "letters")
    assert (ended.code, ended.out) == (4, "Queue leters was not paused.\nQueue letters is resumed.\n")
    assert ended.err == "Nobody has used a queue leters yet. Did you mean letters?\n"
    assert not Queue.objects.filter(name="leters").exists()


@pytest.mark.parametrize("wrong", ["no queue", "", "mail-high", "mail\x1b[2J", "x" * 129])
def test_one_wrong_name_leaves_the_other_queues_alone(wrong: str) -> None:
    ended = run("jobs_pause", "letters", wrong)
    assert (ended.code, ended.out) == (2, "")
    assert not Queue.objects.exclude(paused_at=None).exists()


def test_a_job_is_enqueued() -> None:
    words = ["--args", '["ann"]', "--kwargs", '{"subject": "hi"}', "--tag", "a", "--tag", "b"]
    ended = run("jobs_enqueue", LETTER, *words)
    job = Job.objects.get(id=UUID(ended.out.strip()))
    assert (ended.err, ended.code) == ("", 0)
    assert (job.task, job.args, job.kwargs, job.tags) == (LETTER, ["ann"], {"subject": "hi"}, ["a", "b"])
    assert (job.queue, job.priority, job.max_attempts, job.timeout_seconds) == ("letters", 7, 3, 11)
    assert (job.state, job.enqueued_by) == ("queued", account())


def test_a_job_is_enqueued_with_options_of_its_own() -> None:
    limits = ["--max-attempts", "2", "--timeout", "0"]
    words = ["--queue", "mail", "--priority", "3", "--unique-key", "k", "--in", "1h", *limits]
    made = UUID(run("jobs_enqueue", ADD, *words).out.strip())
    job = Job.objects.get(id=made)
    assert (job.queue, job.priority, job.max_attempts, job.timeout_seconds) == ("mail", 3, 2, 0)
    assert (job.state, job.unique_key) == ("scheduled", "k")
    assert timedelta(minutes=59) < job.due_at - timezone.now() < timedelta(minutes=61)
    again = run("jobs_enqueue", ADD, "--unique-key", "k")
    assert again == Ended(f"{made}\n", f"An unfinished job has this unique key: {made}\n", 0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["letter"], "Did you mean tests.engine.tasks.letter?"),
        ([LETTER, "--args", "[1"], "--args: this is not JSON: "),
        ([LETTER, "--args", "[" * 100_000], "--args: this is nested too deeply."),
        ([LETTER, "--args", "1"], "--args: give a list, as in '[1, 2]'."),
        ([LETTER, "--kwargs", "[]"], "--kwargs: give an object, as in '{\"user\": 7}'."),
        ([LETTER], "missing a required argument: 'to'"),
        ([LETTER, "--args", '["x"]', "--priority", "101"], "priority: 101 is out of range."),
        ([LETTER, "--args", '["x"]', "--queue", "a b"], "queue: 'a b' is not a valid name."),
    ],
)
def test_a_job_that_cannot_be_is_refused(words: list[str], message: str) -> None:
    ended = run("jobs_enqueue", *words)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert Job.objects.count() == 0


def finished(state: str, days: float) -> Job:
    job = make_job(state)
    Job.objects.filter(id=job.id).update(finished_at=timezone.now() - timedelta(days=days))
    return job


def test_what_was_kept_long_enough_is_deleted() -> None:
    kept = [finished("succeeded", 6), finished("cancelled", 20), finished("dead", 900), make_job()]
    finished("succeeded", 8), finished("cancelled", 31)
    Statistic.objects.create(period="minute", minute_at=timezone.now() - timedelta(days=31), queue="q", task="t")
    assert run("jobs_prune", "--dry-run").out == "1 succeeded for more than 7 d\n1 cancelled for more than 30 d\n"
    assert Job.objects.count() == 6
    ended = run("jobs_prune", "--reason", "disk is full")
    assert ended.code == 0
    assert ended.out.splitlines()[2:] == [
        "2 jobs deleted", "statistics: 1 deleted", "firings of schedules: 0 deleted", "operations: 0 deleted",
        "workers: 0 deleted",
    ]  # fmt: skip
    assert set(Job.objects.values_list("id", flat=True)) == {job.id for job in kept}
    assert set(Attempt.objects.values_list("job_id", flat=True)) <= {job.id for job in kept}
    entry = AuditEntry.objects.get(action="prune")
    assert (entry.actor, entry.reason, entry.after["deleted"]) == (account(), "disk is full", 2)


def test_what_an_operator_names_is_deleted_sooner() -> None:
    kept = [finished("dead", 29), finished("succeeded", 100)]
    finished("dead", 31)
    ended = run("jobs_prune", "--older-than", "30d", "--state", "dead")
    assert ended == Ended("1 dead for more than 30 d\n1 job deleted\n", "", 0)
    assert set(Job.objects.values_list("id", flat=True)) == {job.id for job in kept}
    for words in ((), ("--dry-run",)):
        assert run("jobs_prune", "--older-than", "30d", "--state", "dead", *words).code == 4


def test_everything_of_a_state_can_be_deleted() -> None:
    job = finished("dead", 0.001)
    assert run("jobs_prune", "--older-than", "0s", "--state", "dead").out.endswith("1 job deleted\n")
    assert not Job.objects.filter(id=job.id).exists()


def test_what_was_deleted_before_ctrl_c_stands_in_the_audit_log(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        finished("dead", 31)
    delete = retention.delete_older

    def interrupted(state: JobState, seconds: float, limit: int) -> int:
        if Job.objects.count() < 3:
            raise KeyboardInterrupt
        return delete(state, seconds, 2)

    monkeypatch.setattr(retention, "delete_older", interrupted)
    ended = run("jobs_prune", "--older-than", "30d", "--state", "dead")
    assert (ended.code, ended.out.splitlines()[1:]) == (1, ["2 jobs deleted", "Stopped before the end."])
    assert AuditEntry.objects.get(action="prune").after["deleted"] == 2


def test_deleting_many_takes_a_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.management.commands.jobs_prune.ASK_ABOVE", 1)
    for _ in range(2):
        finished("dead", 31)
    ended = run("jobs_prune", "--older-than", "1d", "--state", "dead")
    assert ended.code == 2
    assert "2 jobs would be deleted for good. Add --yes" in ended.err
    assert Job.objects.count() == 2
    for typed in ("yes", "delete"):
        monkeypatch.setattr(sys, "stdin", Keyboard(f"{typed}\n"))
        assert run("jobs_prune", "--older-than", "1d", "--state", "dead").code == (typed == "yes")
        assert Job.objects.count() == 2 * (typed == "yes")
    for _ in range(2):
        finished("dead", 31)
    assert run("jobs_prune", "--older-than", "1d", "--state", "dead", "--yes").code == 0
    assert Job.objects.count() == 0


@pytest.mark.parametrize(
    "words", ["--older-than 30d", "--state dead", "--older-than 3x --state dead", "--older-than 3d --state queued"]
)
def test_half_a_wish_is_refused(words: str) -> None:
    assert run("jobs_prune", *words.split()).code == 2
