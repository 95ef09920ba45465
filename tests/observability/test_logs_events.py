"""The vocabulary of events: each is told with its fields, the page lists them all, and silence costs nothing."""

import json
import logging
import re
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from jobs import events, lifecycle, logs
from jobs.lifecycle import operate
from jobs.lifecycle.due import expire
from jobs.models import Job
from jobs.states import JobState, Outcome
from tests.factories import begun, claim, ended, make_job, make_worker
from tests.observability import tasks
from tests.support import PROJECT, Processes, Running, free_port

PAGE = PROJECT / "docs" / "observability.md"
ROW = re.compile(r"^\| `([a-z]+\.[a-z]+)` \| ([a-z]+) \| ([^|]*) \| (.*) \|$", re.MULTILINE)
Start = Callable[..., Running]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Return the events that have been told so far, each as its attributes."""
    with caplog.at_level(logging.DEBUG, "jobs"):
        yield lambda: [vars(record) for record in caplog.records if "event" in vars(record)]


@pytest.mark.fast
def test_the_page_lists_every_event_with_its_level_and_fields() -> None:
    listed = {
        name: (level, tuple(re.findall(r"`(\w+)`", fields)), meaning)
        for name, level, fields, meaning in ROW.findall(PAGE.read_text(encoding="utf-8"))
    }
    known = {
        name: (logging.getLevelName(event.level).lower(), event.fields, event.meaning)
        for name, event in logs.EVENTS.items()
    }
    assert listed == known


@pytest.mark.django_db(transaction=True)
def test_every_move_of_a_job_is_one_event(told: Any, redis_client: Any) -> None:
    done, failing, last, waiting, snoozing, leaving = (make_job() for _ in range(6))
    dead = make_job(max_attempts=1)
    runs = {job.id: begun(claim(job)) for job in (done, failing, last, snoozing, leaving, dead)}
    lifecycle.settle([
        ended(runs[done.id]),
        ended(runs[failing.id], Outcome.ERROR),
        ended(runs[dead.id], Outcome.ERROR),
        ended(runs[last.id], Outcome.LOST),
        ended(runs[snoozing.id], Outcome.SNOOZED, delay_seconds=60.0),
        ended(runs[leaving.id], Outcome.CANCELLED),
    ])  # fmt: skip
    operate.cancel([waiting.id], actor="anna")
    operate.discard([dead.id], actor="anna")
    names = {str(job.id): [] for job in (done, failing, last, waiting, snoozing, leaving, dead)}
    for event in told():
        if event.get("job") in names:
            names[event["job"]].append(event["event"])
    ends = {job: told[1:] for job, told in names.items() if told[0] == "job.enqueued"}
    assert ends == {
        str(done.id): ["job.succeeded"], str(failing.id): ["job.retrying"], str(last.id): ["job.lost"],
        str(waiting.id): ["job.cancelled"], str(snoozing.id): ["job.snoozed"], str(leaving.id): ["job.interrupted"],
        str(dead.id): ["job.dead", "job.cancelled"],
    }  # fmt: skip
    (cancelled, discarded) = [event for event in told() if event["event"] == "operator.acted"]
    assert (cancelled["action"], cancelled["actor"], cancelled["job_count"]) == ("cancel", "anna", 1)
    assert discarded["action"] == "discard"


@pytest.mark.django_db(transaction=True)
def test_expired_jobs_and_those_that_were_cancelled_before_they_began_are_told(told: Any, redis_client: Any) -> None:
    late, given_back = make_job(), make_job()
    Job.objects.filter(id=late.id).update(expires_at="2020-01-01T00:00:00Z")
    assert expire() == 1
    run = claim(given_back)
    operate.cancel([given_back.id], actor="anna")
    lifecycle.release([given_back.id], run.claim)
    cancelled = [event["job"] for event in told() if event["event"] == "job.cancelled"]
    assert cancelled == [str(late.id), str(given_back.id)]


@pytest.mark.django_db(transaction=True)
def test_an_enqueue_that_is_rolled_back_is_not_told(told: Any, redis_client: Any) -> None:
    with transaction.atomic():
        make_job()
        transaction.set_rollback(True)
    assert not [event for event in told() if event["event"] == "job.enqueued"]
    make_job()
    assert [event for event in told() if event["event"] == "job.enqueued"]


@pytest.mark.django_db(transaction=True)
def test_events_have_just_the_fields_of_the_table(told: Any, redis_client: Any) -> None:
    lifecycle.settle([ended(claim(make_job()), Outcome.ERROR)])
    make_worker("w-9")
    lifecycle.leave("w-9")
    operate.pause_queue("mail", actor="anna")
    operate.resume_queue("mail", actor="anna")
    logs.tell_crash("w-1", 1, 0.5)
    logs.tell_death("w-1", -9, 3)
    seen = told()
    plain = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "event"}
    for event in seen:
        assert set(event) - plain == set(logs.EVENTS[event["event"]].fields)
        assert event["levelno"] == logs.EVENTS[event["event"]].level
        assert event["name"] == f"jobs.{event['event'].partition('.')[0]}"
    names = {event["event"] for event in seen}
    assert names >= {"job.retrying", "worker.stopped", "queue.paused", "queue.resumed", "worker.crashed", "worker.lost"}


@pytest.mark.fast
def test_a_batch_of_which_nobody_wants_to_read_costs_a_few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(events._listeners, events.JobsSettled, [logs._tell_settled])
    change = events.Change(uuid4(), "app.x", "default", JobState.SUCCEEDED.value, "success", 1, 0.1)
    event = events.JobsSettled("w-1", (change,) * 1000)
    calls: list[str] = []
    sys.setprofile(lambda frame, kind, argument: calls.append(kind) if kind in ("call", "c_call") else None)
    try:
        events.emit(event)
    finally:
        sys.setprofile(None)
    assert 0 < len(calls) < 25


# -- real processes ----------------------------------------------------------------------------------------------
def lines_of(running: Running) -> list[dict[str, Any]]:
    """Return what a process has logged; every line of it must be an object of JSON."""
    return [json.loads(line) for line in running.output.splitlines()]


@pytest.mark.slow
@pytest.mark.one_ledger
def test_a_worker_says_in_json_what_happens_and_whose_words_are_whose(manage: Start) -> None:
    everywhere = [tasks.log_everywhere.enqueue(word) for word in ("one", "two")]
    coroutines = [tasks.log_on_the_loop.enqueue(word) for word in ("three", "four")]
    secret, failing = tasks.fail_with_a_secret.enqueue(), tasks.fail_at_once.enqueue()
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.observability.settings", "LOG_FORMAT": "json", "LOG_JOBS_LEVEL": "DEBUG",
        "LOG_LEVEL": "INFO",
    }  # fmt: skip
    running = manage("jobs_worker", "--processes", "1", "--burst", env=environment)
    assert running.wait(90) == 0
    lines = lines_of(running)
    assert "hunter2" not in running.output

    said = {job.id: sorted(line["message"] for line in lines if line["logger"] == "app" and line.get("job") == job.id)
            for job in (*everywhere, *coroutines)}  # fmt: skip
    places = ("here", "in a pool", "in a shared pool", "in a thread", "in a thread", "on a loop")
    for job, word in zip(everywhere, ("one", "two"), strict=True):
        assert said[job.id] == sorted(f"{word}: {place}" for place in places)
    places = (*["in a coroutine"] * 3, *["behind a coroutine"] * 2, "in the loop's executor", "in Django's thread")
    for job, word in zip(coroutines, ("three", "four"), strict=True):
        assert said[job.id] == sorted(f"{word}: {place}" for place in places)
    (warning,) = [line for line in lines if line["logger"] == "app" and line["level"] == "WARNING"]
    assert (warning["job"], warning["attempt"], warning["size"], warning["api_key"]) == (secret.id, 1, 3, "***")

    moves = {job_id: [line["event"] for line in lines if line.get("job") == job_id and "event" in line]
             for job_id in (everywhere[0].id, secret.id, failing.id)}  # fmt: skip
    assert moves[everywhere[0].id] == ["job.started", "job.succeeded"]
    assert moves[secret.id] == ["job.started", "job.retrying"]
    assert moves[failing.id] == ["job.started", "job.dead"]
    dead = next(line for line in lines if line.get("event") == "job.dead")
    assert dead["task"] == "tests.observability.tasks.fail_at_once"
    assert (dead["queue"], dead["attempt"], dead["outcome"], dead["level"]) == ("default", 1, "error", "ERROR")
    assert 0 <= dead["duration_seconds"] < 60
    workers = [line["event"] for line in lines if line.get("event", "").startswith("worker.")]
    assert workers == ["worker.started", "worker.stopped"]
    assert {line["worker"] for line in lines if "worker" in line} == {dead["worker"]}


@pytest.mark.slow
@pytest.mark.one_ledger
def test_a_web_server_and_a_scheduler_say_all_they_say_in_json(manage: Start, processes: Processes) -> None:
    environment = {"DJANGO_SETTINGS_MODULE": "tests.observability.settings", "LOG_FORMAT": "json", "DEBUG": "false"}
    scheduler = manage("jobs_scheduler", env=environment)
    port = free_port()
    command = (sys.executable, "-m", "uvicorn", "queuehub.asgi:application", "--port", str(port))
    web = processes.start(*command, env=environment)
    quiet = processes.start(*command[:-1], str(free_port()), "--no-access-log", env=environment)
    for server in (web, quiet):
        server.wait_for("Uvicorn running on", 60)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /nothing%0aforged%1b[31m?token=hunter2-x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.recv(100)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /\x1b[31m HTTP/1.1\r\nHost: evil\r\n\r\n")  # refused, by uvicorn or by Django
        client.recv(100)
    web.wait_for("/nothing")
    scheduler.wait_for("scheduler.leader", 30)
    for running in (web, quiet, scheduler):
        running.stop(40)
    said = {running: lines_of(running) for running in (web, quiet, scheduler)}
    for lines in said.values():
        assert lines
        assert {line.get("event", "job.started") for line in lines} <= logs.EVENTS.keys()
        assert not [line for line in lines if "\x1b" in json.dumps(line, ensure_ascii=False) or "color_message" in line]
    (request,) = [line for line in said[web] if line["logger"] == "uvicorn.access" and "/nothing" in line["message"]]
    assert "hunter2" not in web.output
    assert "\n" not in request["message"]
    assert not [line for line in said[quiet] if line["logger"] == "uvicorn.access"]
    assert [line["event"] for line in said[scheduler] if "event" in line] == ["scheduler.leader"]
