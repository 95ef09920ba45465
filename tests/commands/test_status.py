"""jobs_status shows how the site is, to people and to programs, and why a job is not running."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import status
from jobs.lease import Lease
from jobs.lifecycle import operate
from jobs.management.commands import jobs_status
from jobs.models import Job, SchedulerLease, Worker
from jobs.transports.memory import MemoryTransport
from tests.commands.calling import run
from tests.factories import fresh, make_job, make_worker

pytestmark = pytest.mark.django_db

MOST_STATEMENTS = 8


@pytest.fixture
def busy() -> None:
    """Make a site with something of everything."""
    make_worker("w-1")
    Worker.objects.update(runs=[{"job": "x", "seconds": 1.0}], thread_count=4, heartbeat_at=timezone.now())
    make_worker("w-2")
    Worker.objects.filter(id="w-2").update(heartbeat_at=timezone.now() - timedelta(minutes=2), queues=["bulk"])
    for state in ("queued", "queued", "scheduled", "retrying", "succeeded", "dead", "dead", "cancelled"):
        make_job(state)
    make_job("queued", queue="bulk")
    operate.pause_queue("mail", actor="ann", reason="provider down")
    Lease("leader").hold()


def told() -> Any:
    ended = run("jobs_status", "--json")
    assert ended.code == 0, ended
    return json.loads(ended.out)


def test_programs_get_everything(busy: None) -> None:
    value = told()
    assert value["states"] == {
        "queued": 3, "running": 0, "scheduled": 1, "retrying": 1, "succeeded": 1, "dead": 2, "cancelled": 1,
    }  # fmt: skip
    assert value["capped"] == []
    assert value["ledger"]["is_up"] is value["broker"]["is_up"] is value["scheduler"]["is_up"] is True
    assert value["scheduler"]["holder"] == "leader"
    queues = {queue["name"]: queue for queue in value["queues"]}
    assert (queues["default"]["queued"], queues["default"]["scheduled"], queues["default"]["workers"]) == (2, 1, 2)
    assert 0 <= queues["default"]["oldest_seconds"] < 60
    assert (queues["bulk"]["queued"], queues["bulk"]["oldest_seconds"] is None) == (1, False)
    assert (queues["mail"]["is_paused"], queues["mail"]["paused_by"]) == (True, "ann")
    assert queues["mail"]["paused_reason"] == "provider down"
    workers = {worker["id"]: worker for worker in value["workers"]}
    assert (workers["w-1"]["running"], workers["w-1"]["slots"], workers["w-1"]["is_silent"]) == (1, 4, False)
    assert (workers["w-2"]["queues"], workers["w-2"]["is_silent"]) == (["bulk"], True)


def test_people_get_lines(busy: None) -> None:
    ended = run("jobs_status")
    lines = ended.out.splitlines()
    assert lines[0].startswith(f"ledger     up, {connection.vendor}, ")
    assert lines[1].startswith("broker     up, ")
    assert lines[2].startswith("scheduler  up, leader leads")
    assert lines[3] == "workers    2 up, 1/6 slots busy, 1 SILENT"
    assert lines[5] == "queued 3  running 0  scheduled 1  retrying 1  succeeded 1  dead 2  cancelled 1"
    table = [line.split() for line in lines[7:11]]
    assert table[0] == ["QUEUE", "QUEUED", "RUNNING", "SCHEDULED", "RETRYING", "OLDEST", "WORKERS"]
    assert (table[1][:3], table[2][0]) == (["bulk", "1", "0"], "default")
    assert lines[10].endswith('PAUSED by ann: "provider down"')
    assert any(line.startswith("w-2") and "SILENT" in line and line.endswith("bulk") for line in lines)


def test_what_is_missing_is_said_with_what_to_do(transport: MemoryTransport) -> None:
    transport.is_down = True
    make_job("queued", queue="mail")
    lines = run("jobs_status").out.splitlines()
    assert lines[1].startswith("broker     DOWN: ")
    assert lines[2] == "scheduler  DOWN: none leads. Start one: manage.py jobs_scheduler"
    assert lines[3] == "workers    NONE. Start some: manage.py jobs_worker"
    assert lines[-1].endswith("NO WORKER")
    Lease("gone").hold()
    SchedulerLease.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    assert run("jobs_status").out.splitlines()[2].startswith("scheduler  DOWN: none leads since ")
    assert [told()[part]["is_up"] for part in ("ledger", "broker", "scheduler")] == [True, False, False]


def test_a_ledger_that_does_not_answer_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("connection refused\nIs the server running?")

    monkeypatch.setattr(status, "ledger", refuse)
    ended = run("jobs_status")
    assert (ended.code, ended.out.splitlines()[0]) == (1, "ledger     DOWN: connection refused")
    assert ended.out.splitlines()[1].startswith("broker     up")
    ended = run("jobs_status", "--json")
    assert (ended.code, json.loads(ended.out)["ledger"]["is_up"]) == (1, False)


def test_final_states_are_counted_up_to_a_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "CAP", 1)
    make_job("dead")
    make_job("dead")
    make_job("succeeded")
    value = told()
    assert (value["states"]["dead"], value["states"]["succeeded"], value["capped"]) == (1, 1, ["dead"])
    assert "dead 1+" in run("jobs_status").out


def test_the_status_takes_few_statements(busy: None) -> None:
    with CaptureQueriesContext(connection) as captured:
        status.read()
    assert 4 <= len(captured) <= MOST_STATEMENTS


def test_it_is_shown_again_and_again(busy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(jobs_status.time, "sleep", pause)
    monkeypatch.setattr(jobs_status, "close_old_connections", lambda: None)
    ended = run("jobs_status", "--watch", "5", "--json")
    assert (ended.code, pauses) == (0, [5.0, 5.0, 5.0])
    assert [json.loads(line)["states"]["dead"] for line in ended.out.splitlines()] == [2, 2, 2]
    assert run("jobs_status", "--watch", "0").code == 2


def test_it_says_why_a_job_is_not_running(busy: None) -> None:
    job = make_job("queued", queue="mail")
    shown = run("jobs_status", "--why", str(job.id)[:33]).out
    assert shown.startswith(f"{job.task} {job.id} is queued. Queue mail was paused by ann at ")
    value = json.loads(run("jobs_status", "--why", str(job.id), "--json").out)
    assert (value["code"], value["state"], value["facts"]["by"]) == ("paused", "queued", "ann")
    assert value["sentence"].endswith(': "provider down".')
    assert fresh(job).state == "queued"
    for wrong in ("", "xyz", "01 state:queued", "*"):
        assert run("jobs_status", "--why", wrong).code == 2
    assert run("jobs_status", "--why", "ffffffffffff").err == "CommandError: There is no job ffffffffffff.\n"
    assert Job.objects.filter(id=job.id).exists()


def test_what_others_wrote_cannot_repaint_the_terminal() -> None:
    evil = make_job("dead")
    Job.objects.update(reason="oh\x1b[2J\nledger     up")
    operate.pause_queue("mail", actor="ann", reason="down\x1b]0;owned\x07")
    shown = run("jobs_status", "--why", str(evil.id)).out
    assert shown.count("\n") == 1
    assert "oh\\x1b[2J\\nledger     up" in shown
    assert 'PAUSED by ann: "down\\x1b]0;owned\\x07"' in run("jobs_status").out
