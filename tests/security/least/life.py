"""The stages of a life: what people, processes and commands do to the system, and what the logs say of it."""

import json
import os
import re
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import redis
from rq import Queue
from websockets.sync.client import connect

from tests.rq import plain_functions
from tests.security.least.browsing import Visitor
from tests.security.least.conftest import Start
from tests.security.least.servers import Broker, Ledger, password
from tests.support import PROJECT, Processes, Running, eventually

GUIDE = PROJECT / "docs/least-privilege.md"
RQ = str(Path(sys.executable).with_name("rq"))
CONFIRMED = {"confirmed": "yes", "reason": "because"}
REFUSED = re.compile(r"permission denied|NOPERM|NOAUTH|WRONGPASS|InsufficientPrivilege|must be owner|Traceback")


def states(ledger: Ledger, condition: str = "true") -> dict[str, int]:
    """Count the jobs by state."""
    return dict(ledger.rows(f"SELECT state, count(*) FROM jobs_job WHERE {condition} GROUP BY 1"))


def ids(ledger: Ledger, condition: str) -> list[Any]:
    """Return the ids of jobs, oldest first."""
    return [row[0] for row in ledger.rows(f"SELECT id FROM jobs_job WHERE {condition} ORDER BY id")]


def refusals(ledger: Ledger, broker: Broker, outputs: Iterable[Running]) -> list[str]:
    """Return every refusal that any log tells of."""
    with broker.administrator() as client:
        found = [str(entry) for entry in client.acl_log()]
    found += [line for line in ledger.log.splitlines() if REFUSED.search(line)]
    return found + [f"{running}: {running.output}" for running in outputs if REFUSED.search(running.output)]


def declare_a_schedule_that_cannot_fire(ledger: Ledger) -> None:
    """Give the scheduler something to write into the audit log."""
    ledger.rows("INSERT INTO jobs_schedule (name, task, every_seconds) VALUES ('broken', 'no.such.task', 1)")


def ask_rq(broker: Broker, processes: Processes) -> str:
    """Return what `rq info` says."""
    info = processes.start(RQ, "info", "--url", broker.url("reader"), "--raw")
    assert info.wait() == 0, info.output
    return info.output


def look_at_everything(visitor: Visitor) -> None:
    """Open every page there is, the live one included."""
    for path in ("/", "/healthz", "/snapshot.json", "/admin/", "/admin/auth/user/", "/admin/auth/group/"):
        visitor.get(path)
    for model in ("job", "deadletter", "attempt", "queue", "worker", "schedule", "auditentry"):
        page = visitor.get(f"/admin/jobs/{model}/")
        (key, *_) = re.findall(rf"/admin/jobs/{model}/([^/\"]+)/change/", page)
        visitor.get(f"/admin/jobs/{model}/{key}/change/")
        visitor.get(f"/admin/jobs/{model}/{key}/history/")
    assert "queuehub_ledger_up 1.0" in visitor.get("/metrics", Authorization="Bearer metrics")
    headers = {"Cookie": f"sessionid={visitor.cookie('sessionid')}"}
    address = visitor.server.replace("http", "ws") + "/ws/live/"
    with connect(address, additional_headers=headers, origin=visitor.server) as live:  # type: ignore[arg-type]
        assert json.loads(live.recv(timeout=20))["health"]["broker"]["is_up"]


def manage_users(visitor: Visitor, ledger: Ledger) -> None:
    """Add, change and remove a user and a group, as the stock admin offers."""
    secret = {"password1": "Tr0ubadour-3", "password2": "Tr0ubadour-3"}
    visitor.post("/admin/auth/group/add/", name="night shift", permissions=[1, 2])
    visitor.post("/admin/auth/user/add/", username="ann", usable_password="true", **secret)
    ((key, group),) = ledger.rows("SELECT max(u.id), max(g.id) FROM auth_user u, auth_group g")
    visitor.post(f"/admin/auth/group/{group}/change/", name="day shift", permissions=[2])
    joined = {"date_joined_0": "2030-01-01", "date_joined_1": "00:00:00"}
    change = f"/admin/auth/user/{key}/change/"
    visitor.post(change, username="ann", is_staff="on", groups=[group], user_permissions=[1], **joined)
    visitor.post(f"/admin/auth/user/{key}/password/", usable_password="true", **secret)
    visitor.post(f"/admin/auth/user/{key}/delete/", post="yes")
    visitor.post(f"/admin/auth/group/{group}/delete/", post="yes")
    new = {"new_password1": "Tr0ubadour-4", "new_password2": "Tr0ubadour-4"}
    visitor.post("/admin/password_change/", old_password="root", **new)


def use_every_verb(visitor: Visitor, ledger: Ledger) -> None:
    """Retry, edit, discard, cancel, pause, resume, run, disable and enable, by the buttons of the admin."""
    again, edited, discarded = ids(ledger, "state = 'dead'")
    visitor.post(f"/admin/jobs/job/{again}/verb/retry/", **CONFIRMED)
    form = visitor.get(f"/admin/jobs/job/{edited}/edit/")
    (version,) = re.findall(r'name="version" value="(\w+)"', form)
    visitor.post(f"/admin/jobs/job/{edited}/edit/", args="[6, 3]", kwargs="{}", reason="by 3", version=version)
    chosen = {"action": "discard", "_selected_action": [discarded], "select_across": "0"}
    visitor.post("/admin/jobs/deadletter/", **chosen, **CONFIRMED)
    (running,) = ids(ledger, "state = 'running' AND tags ? 'cancel'")
    visitor.post(f"/admin/jobs/job/{running}/verb/cancel/", **CONFIRMED)
    for verb in ("resume", "pause"):
        visitor.post(f"/admin/jobs/queue/closed/verb/{verb}/", **CONFIRMED)
    ((schedule,),) = ledger.rows("SELECT id FROM jobs_schedule WHERE name = 'ticking'")
    for verb in ("run_now", "disable", "enable"):
        visitor.post(f"/admin/jobs/schedule/{schedule}/verb/{verb}/", **CONFIRMED)
    eventually(lambda: states(ledger, "queue = 'sums'") == {"dead": 1, "succeeded": 2, "cancelled": 1}, 20)
    eventually(lambda: states(ledger, "tags ? 'cancel'") == {"succeeded": 1}, 20)


def allow_plain_jobs(client: redis.Redis) -> None:
    """Give the workers the rights that docs/least-privilege.md names for PLAIN_RQ_FUNCTIONS."""
    text = GUIDE.read_text()
    (rules,) = re.findall(r"^ACL SETUSER queuehub-worker (~.*)$", text, re.MULTILINE)
    client.execute_command("ACL", "SETUSER", "queuehub-worker", *rules.split())


def lose_a_pool_and_all_messages(
    pool: Running, application: Running, ledger: Ledger, broker: Broker, start: Start, held: Path
) -> None:
    """Kill a pool in mid-run, flush Redis, spoil keys; then the scheduler repairs and `rqworker` runs the rest."""
    application.send(signal.SIGUSR1)
    eventually(held.exists, 30, "the job that holds its worker did not begin")
    os.killpg(pool.pid, signal.SIGKILL)
    pool.kill()
    with broker.administrator() as client:
        client.set("rq:queue:repair-high", "no list")
        application.send(signal.SIGUSR1)
        assert application.wait() == 0, application.output
        client.flushall()
        lost = "queue = 'repair' AND publish_seq > 1"
        eventually(lambda: states(ledger, lost) == {"queued": 50}, 30, "the scheduler did not repair the messages")
        allow_plain_jobs(client)
        plain = Queue("default", connection=client, serializer="json")
        plain.enqueue(plain_functions.add, 1, 2)
        for function in (plain_functions.fail, plain_functions.leave):
            plain.enqueue(function)
        client.set("rq:queue:repair-high", "no list")
    eventually(lambda: states(ledger, "task LIKE '%hold_once'") == {"queued": 1}, 30, "the dead pool was not noticed")
    worker = start("worker", "manage.py", "rqworker", "repair", "default", "--burst")
    assert worker.wait(60) == 0, worker.output
    assert states(ledger, "queue = 'repair' OR task LIKE '%hold_once'") == {"succeeded": 51}


def change_passwords(part: str, ledger: Ledger, broker: Broker) -> None:
    """Make the second password of a part valid and the first one void."""
    user = f"queuehub-{part}"
    ledger.log_in_role(part, 2)
    ledger.rows(f"DROP ROLE IF EXISTS queuehub_{part}_1")
    with broker.administrator() as client:
        client.execute_command("ACL", "SETUSER", user, f">{password(part, 2)}", f"<{password(part)}")


def let_time_pass(ledger: Ledger) -> None:
    """Make what is over old enough to be deleted."""
    ledger.rows("UPDATE jobs_job SET finished_at = finished_at - interval '40 days' WHERE finished_at IS NOT NULL")
    ledger.rows("UPDATE jobs_statistic SET minute_at = minute_at - interval '1 hour' WHERE period = 'minute'")
    ledger.rows("UPDATE jobs_worker SET ended_at = ended_at - interval '2 days'")
    ledger.rows("UPDATE jobs_operation SET finished_at = finished_at - interval '100 days'")
    ledger.rows("UPDATE jobs_job SET fingerprint = NULL WHERE state = 'dead'")
    ledger.rows(
        "INSERT INTO jobs_failuregroup (fingerprint, exception_class, message, sample, frame, first_seen_at,"
        " last_seen_at, last_job_id) SELECT 'f', 'E', '', '', 'old', at, at, gen_random_uuid()"
        " FROM (SELECT now() - interval '40 days') AS past(at)"
    )
    ledger.rows("UPDATE jobs_schedulerun SET fired_at = fired_at - interval '40 days'")


