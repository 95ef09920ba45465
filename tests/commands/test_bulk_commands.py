"""Retry, cancel and discard from the shell: counted first, asked above a thousand, done as an operation."""

import io
import logging
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from jobs import operations
from jobs.management import bulk
from jobs.management.operator import account
from jobs.models import AuditEntry, Job, Operation
from tests.commands.calling import Ended, Keyboard, run
from tests.factories import fresh, make_job

pytestmark = pytest.mark.django_db


def states(*jobs: Job) -> list[str]:
    return [fresh(job).state for job in jobs]


def test_jobs_are_retried_by_filter() -> None:
    meant, other, cancelled = make_job("dead"), make_job("dead", queue="mail"), make_job("cancelled")
    ended = run("jobs_retry", "--filter", "queue:default", "--reason", "all well")
    number = Operation.objects.get().pk
    assert ended == Ended(f"1 job matches state:dead queue:default\n1 retried, operation {number}\n", "", 0)
    assert states(meant, other, cancelled) == ["queued", "dead", "cancelled"]
    entry = AuditEntry.objects.get(target=f"job {meant.id}", action="retry")
    assert (entry.actor, entry.reason, entry.operation_id) == (account(), "all well", number)


def test_a_filter_that_names_states_means_just_these() -> None:
    dead, cancelled = make_job("dead"), make_job("cancelled")
    assert run("jobs_retry", "--filter", "state:cancelled", "--actor", "ann").code == 0
    assert states(dead, cancelled) == ["dead", "queued"]
    assert AuditEntry.objects.filter(actor="ann", action="retry").count() == 1


def test_jobs_are_meant_by_ids_or_their_beginnings() -> None:
    jobs = [make_job("dead") for _ in range(2)]
    ended = run("jobs_discard", str(jobs[0].id), str(jobs[1].id).replace("-", "")[:31])
    assert ended.code == 0, ended
    assert ended.out.startswith("2 jobs match\n2 discarded, operation ")
    assert states(*jobs) == ["cancelled", "cancelled"]


def test_whoever_is_skipped_is_told_with_the_reason() -> None:
    dead, queued = make_job("dead"), make_job()
    ended = run("jobs_retry", str(dead.id), str(queued.id))
    assert ended.code == 3
    assert ended.out == (
        "2 jobs match\n  1 can be retried\n  1 cannot: a queued job cannot be retried\n"
        f"1 retried, operation {Operation.objects.get().pk}\n  1 skipped: a queued job cannot be retried\n"
    )


def test_cancelling_means_what_has_not_ended() -> None:
    jobs = [make_job(state) for state in ("queued", "scheduled", "running", "dead", "succeeded")]
    assert run("jobs_cancel", "--filter", "task:add").code == 0
    assert states(*jobs) == ["cancelled", "cancelled", "running", "dead", "succeeded"]
    assert fresh(jobs[2]).cancel_requested_at is not None


def test_a_retry_can_be_put_off() -> None:
    job = make_job("dead")
    assert run("jobs_retry", str(job.id), "--in", "10m").code == 0
    assert fresh(job).state == "scheduled"
    assert timedelta(minutes=9) < fresh(job).due_at - timezone.now() < timedelta(minutes=11)


def test_a_dry_run_changes_nothing_and_leaves_nothing() -> None:
    job = make_job("dead")
    ended = run("jobs_retry", "--filter", "task:add", "--dry-run")
    assert ended == Ended("1 job matches state:dead task:add\n  1 can be retried\n", "", 0)
    assert states(job) == ["dead"]
    assert (Operation.objects.count(), AuditEntry.objects.count()) == (0, 0)


def test_nothing_that_matches_has_a_code_of_its_own() -> None:
    make_job("dead")
    assert run("jobs_discard", "--filter", "queue:mail") == Ended("0 jobs match state:dead queue:mail\n", "", 4)
    assert Operation.objects.count() == 0


def test_many_reasons_are_summed_up() -> None:
    for number in range(12):
        job = make_job("dead")
        Job.objects.filter(id=job.id).update(task=f"shop.tasks.gone_{number}")
    ended = run("jobs_retry", "--filter", "state:dead")
    assert ended.code == 4
    assert ended.out.count("\n") == 13
    assert "  2 cannot for 2 other reasons\n" in ended.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Say which jobs: ids, or --filter 'state:dead task:billing'."),
        (["0123", "--filter", "state:dead"], "Say which jobs: ids, or --filter"),
        (["--filter", "x state:deed"], "There is no state deed. Did you mean dead?"),
        (["xyz"], "xyz is not the beginning of an id. An id has the digits 0-9 and a-f."),
        ([""], "An empty text is not the beginning of an id."),
        (["01 state:queued"], "01 state:queued is not the beginning of an id."),
        (["--filter", ""], "The filter is empty. For all that can be retried say --filter 'state:dead'."),
        (["--filter", " "], "The filter is empty."),
        (["--filter", "task:x", "--reason", "\udcff"], "\\udcff is not UTF-8."),
        (["--filter", "state:dead", "--per-second", "0"], "per_second: 0 is out of range."),
    ],
)
def test_wrong_usage_says_what_to_do(words: list[str], message: str) -> None:
    ended = run("jobs_retry", *words)
    assert ended.code == 2
    assert ended.err.startswith(f"CommandError: {message}")
    assert ended.out == ""


def test_the_place_of_a_mistake_is_shown() -> None:
    assert run("jobs_retry", "--filter", "x state:deed").err.splitlines()[1:] == ["  x state:deed", "          ^^^^"]


def test_an_id_that_is_unknown_or_ambiguous_changes_nothing() -> None:
    jobs = [make_job("dead") for _ in range(2)]
    assert run("jobs_retry", "ffffffff") == Ended("", "CommandError: There is no job ffffffff.\n", 4)
    both = str(jobs[0].id)[:4]
    ended = run("jobs_retry", both)
    assert (ended.code, f"{both} is the beginning of several ids: " in ended.err) == (2, True)
    assert states(*jobs) == ["dead", "dead"]


@pytest.mark.parametrize(
    ("delay", "message"), [("999999999w", "that is more than a hundred years"), ("soon", "write 30s, 5m")]
)
def test_a_delay_that_no_calendar_has_is_refused(delay: str, message: str) -> None:
    ended = run("jobs_retry", "ffff", "--in", delay)
    assert (ended.code, message in ended.err) == (2, True)


@pytest.mark.parametrize(("typed", "code", "state"), [("retry", 0, "queued"), ("y", 1, "dead"), ("", 1, "dead")])
def test_above_a_thousand_somebody_is_asked(
    monkeypatch: pytest.MonkeyPatch, typed: str, code: int, state: str
) -> None:
    monkeypatch.setattr(bulk, "ASK_ABOVE", 2)
    jobs = [make_job("dead") for _ in range(3)]
    monkeypatch.setattr(sys, "stdin", Keyboard(f"{typed}\n"))
    assert run("jobs_retry", "--filter", "state:dead").code == code
    assert states(*jobs) == [state] * 3
    assert Operation.objects.count() == (code == 0)


@pytest.mark.parametrize("gone", [EOFError, KeyboardInterrupt])
def test_who_leaves_the_question_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, gone: type[BaseException]
) -> None:
    class Left(Keyboard):
        def readline(self, *_: Any) -> str:
            raise gone

    monkeypatch.setattr(bulk, "ASK_ABOVE", 0)
    job = make_job("dead")
    monkeypatch.setattr(sys, "stdin", Left())
    ended = run("jobs_discard", str(job.id))
    assert (ended.code, ended.out) == (1, "1 job matches\nNothing was changed.\n")
    assert ended.err == "1 jobs would be discarded. Type discard to go on: \n"
    assert (states(job), Operation.objects.count()) == (["dead"], 0)


def test_above_a_thousand_a_script_must_say_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "ASK_ABOVE", 2)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    jobs = [make_job("dead") for _ in range(3)]
    ended = run("jobs_discard", "--filter", "state:dead")
    assert ended.code == 2
    assert ended.err == "CommandError: 3 jobs would be discarded. Add --yes if that is what you want.\n"
    assert (states(*jobs), Operation.objects.count()) == (["dead"] * 3, 0)
    assert run("jobs_discard", "--filter", "state:dead", "--yes").code == 0
    assert states(*jobs) == ["cancelled"] * 3


@pytest.mark.parametrize("words", [["--background"], ["--per-second", "5"]])
def test_work_in_the_background_is_left_to_the_scheduler(words: list[str]) -> None:
    job = make_job("dead")
    ended = run("jobs_retry", "--filter", "state:dead", *words)
    operation = Operation.objects.get()
    assert ended.code == 0
    assert f"Operation {operation.pk} goes on in the background" in ended.out
    assert states(job) == ["dead"]
    assert operations.advance() == 1
    assert states(job) == ["queued"]


def test_ctrl_c_stops_behind_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [make_job("dead") for _ in range(3)]
    finish = operations.finish_now

    def interrupted(operation: Operation, **options: Any) -> Operation:
        def press(now: Operation) -> None:
            raise KeyboardInterrupt

        return finish(operation, limit=2, told=press)

    monkeypatch.setattr(operations, "finish_now", interrupted)
    ended = run("jobs_retry", "--filter", "state:dead")
    assert ended.code == 1
    assert ended.out.endswith("Stopped before the end; 2 jobs had been looked at.\n")
    assert sorted(states(*jobs)) == ["dead", "queued", "queued"]
    assert Operation.objects.get().state == "cancelled"


def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        make_job("dead")
    screen = Keyboard()
    call_command("jobs_retry", "--filter", "state:dead", stdout=io.StringIO(), stderr=screen)
    assert "] 100%  retried 3 of 3" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")
    make_job("dead")
    assert run("jobs_retry", "--filter", "state:dead").err == ""


def test_logs_do_not_tear_the_progress_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, file = Keyboard(), io.StringIO()
    logger = logging.getLogger("jobs")
    handlers = [logging.StreamHandler(screen), logging.StreamHandler(file)]
    monkeypatch.setattr(logger, "handlers", handlers)
    monkeypatch.setattr(logger, "level", logging.INFO)
    logger.manager._clear_cache()  # type: ignore[attr-defined] # levels are remembered
    make_job("dead")
    finish = operations.finish_now

    def warn(operation: Operation, **options: Any) -> Operation:
        logging.getLogger("jobs.other").warning("the broker is away")
        logging.getLogger("jobs.operator").info("goes on")
        return finish(operation, **options)

    monkeypatch.setattr(operations, "finish_now", warn)
    call_command("jobs_retry", "--filter", "state:dead", stdout=io.StringIO(), stderr=screen)
    assert "\r\x1b[Kthe broker is away\n" in screen.getvalue()
    assert "goes on" not in screen.getvalue()
    assert "goes on" in file.getvalue()
    assert not any(handler.filters for handler in handlers)


def test_the_most_frequent_reasons_come_first() -> None:
    gone = [make_job("dead") for _ in range(3)]
    Job.objects.filter(id__in=[job.id for job in gone]).update(task="shop.tasks.a_longer_name")
    Job.objects.filter(id=make_job("dead").id).update(task="shop.tasks.b")
    lines = run("jobs_retry", "--filter", "state:dead").out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["3", "1"]
