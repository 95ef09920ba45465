"""The site as production runs it: headers, errors, large requests, /metrics and /readyz."""

import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.test import Client

from dashboards import readiness, snapshot
from jobs import conf
from jobs.models import Job, SchedulerLease
from tests.admin.conftest import page
from tests.conftest import LiveDatabase
from tests.dashboards.test_live import SessionOf
from tests.factories import make_job
from tests.security.wire import Answer, ask
from tests.support import Processes, eventually, free_port

ADD = "tests.tasks.add"
HTTPS = {"X-Forwarded-Proto": "https", "Host": "jobs.example.org"}
"""As a proxy on this machine says it, which uvicorn believes."""

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
    "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
}


@pytest.fixture
def production(live_database: LiveDatabase, processes: Processes, tmp_path: Any, redis_client: Any) -> Iterator[str]:
    """A web server in production, with a token and a network for /metrics."""
    (tmp_path / "guarded_settings.py").write_text(
        "from tests.settings import *\n"
        "QUEUEHUB = {**QUEUEHUB, 'METRICS_TOKEN': 'sesame', 'METRICS_NETWORKS': ['192.0.2.0/24']}\n"
    )
    environment = {
        "QUEUEHUB_ENV": "production",
        "SECRET_KEY": "a-key-with-more-than-fifty-characters-of-many-kinds-0123456789!",
        "ALLOWED_HOSTS": "jobs.example.org,127.0.0.1",
        "DJANGO_SETTINGS_MODULE": "guarded_settings",
        "PYTHONPATH": str(tmp_path),
    }
    port = str(free_port())
    command = [sys.executable, "-m", "uvicorn", "queuehub.asgi:application", "--port", port]
    processes.start(*command, env=environment).wait_for("Uvicorn running on")
    return f"http://127.0.0.1:{port}"


def log_in(server: str, referer: str = "https://jobs.example.org/") -> Answer:
    credentials = {"username": "operator", "password": "operator"}
    return ask(server, "/admin/login/", form=credentials, headers={**HTTPS, "Referer": referer})


@pytest.mark.one_ledger
@pytest.mark.usefixtures("operator")
def test_production_shows_its_headers_everywhere_and_nothing_else(production: str) -> None:
    cookies = log_in(production).headers["set-cookie"]
    for cookie in cookies.lower().splitlines():
        assert all(part in cookie for part in ("secure", "httponly", "samesite=lax")), cookie
    session = cookies.partition("sessionid=")[2].partition(";")[0]
    job = make_job("dead", task=ADD, args=[1])
    secure = {"headers": HTTPS}

    def check(answer: Answer, status: int) -> Answer:
        assert answer.status == status, answer
        assert {name: answer.headers.get(name) for name in EVERYWHERE} == EVERYWHERE, answer
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "camera=()" in answer.headers["permissions-policy"]
        assert "Traceback" not in answer.text
        return answer

    check(ask(production, "/", session=session, **secure), 200)
    check(ask(production, page("job", job.pk, "change"), session=session, **secure), 200)
    check(ask(production, "/static/dashboards/icon.svg", **secure), 200)
    check(ask(production, "/snapshot.json", **secure), 401)
    check(ask(production, "/nothing", **secure), 404)
    check(ask(production, page("job") + "?task__regex=x", session=session, **secure), 400)
    check(ask(production, page("job"), method="POST", body=b"", session=session, **secure), 403)
    check(ask(production, "/", headers={**HTTPS, "Host": "evil.example"}), 400)
    assert ask(production, "/").status == 301  # plain HTTP
    check(ask(production, "/admin/login/", **secure), 200)
    check(log_in(production, "https://evil.example/"), 403)

    # probes and scrapers come by plain HTTP
    assert ask(production, "/healthz").status == 200
    assert ask(production, "/readyz").text == "not ready"
    assert ask(production, "/metrics").status == 401
    for forged in ("192.0.2.1", "192.0.2.1, 192.0.2.2", "192.0.2.1:80", "127.0.0.1, 192.0.2.1"):
        assert ask(production, "/metrics", headers={"X-Forwarded-For": forged}).status == 401, forged
    assert ask(production, "/metrics", headers={"Authorization": "Bearer sesam"}).status == 401
    assert ask(production, "/metrics", headers={"Authorization": "Bearer sesame"}).status == 200


@pytest.mark.one_ledger
def test_large_requests_are_refused_before_they_are_kept(
    web_server: str, operator: User, session_of: SessionOf
) -> None:
    session, job = session_of(operator), make_job("dead", task=ADD, args=[1])
    address = page("job", job.pk, "edit")
    announced = {"Content-Length": str(50 * 1024 * 1024), "Content-Type": "application/x-www-form-urlencoded"}
    for path in ("/admin/login/", address, "/healthz", "/nothing"):
        assert ask(web_server, path, method="POST", headers=announced, session=session).status == 413
    chunked = {"Transfer-Encoding": "chunked", "Content-Type": "application/x-www-form-urlencoded"}
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    endless = piece * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 0x10000 + 1)
    answer = ask(web_server, address, method="POST", body=endless, session=session, headers=chunked)
    assert (answer.status, answer.text) == (413, "The request is too large.")
    assert Job.objects.get().state == "dead"
    assert ask(web_server, "/healthz").status == 200


@pytest.mark.django_db
@pytest.mark.usefixtures("memory_transport")
def test_an_error_of_ours_says_nothing_of_itself(operator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        password = "hunter2"
        raise RuntimeError(f"cannot connect with {password}")

    monkeypatch.setattr(snapshot, "current", fail)
    client = Client(raise_request_exception=False)
    client.force_login(operator)
    for path in ("/", "/snapshot.json"):
        answer = client.get(path)
        assert answer.status_code == 500
        said = answer.content.decode()
        assert "Something went wrong" in said
        assert not [word for word in ("hunter2", "RuntimeError", "Traceback", "password", "views.py") if word in said]
        assert answer.headers["Content-Security-Policy"]


# -- /metrics --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("networks", "address", "status"),
    [
        (["10.0.0.0/8"], "10.1.2.3", 200),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", 200),
        (["10.0.0.0/8", "2001:db8::/32"], "2001:db8::7", 200),
        (["10.0.0.0/8"], "11.0.0.1", 401),
        (["10.0.0.0/8"], "", 401),
        ([], "127.0.0.1", 401),
    ],
)
@pytest.mark.django_db
def test_metrics_open_to_the_networks_that_are_named(
    client: Client, settings: Any, networks: list[str], address: str, status: int
) -> None:
    settings.IS_PRODUCTION = True
    settings.QUEUEHUB = {
        **settings.QUEUEHUB, "METRICS_NETWORKS": networks, "TRANSPORT": "jobs.transports.memory.MemoryTransport"
    }  # fmt: skip
    assert client.get("/metrics", REMOTE_ADDR=address).status_code == status
    if address:
        assert client.get("/metrics", REMOTE_ADDR=address, headers={"X-Forwarded-For": address}).status_code == 401


@pytest.mark.parametrize("networks", ["10.0.0.0/8", ["10.0.0.1/8"], ["everybody"], ["10.0.0.0/33"], 7, [False], [7]])
def test_networks_that_are_none_are_reported(networks: Any) -> None:
    with pytest.raises((conf.ImproperlyConfigured, TypeError), match="METRICS_NETWORKS"):
        conf.read({"METRICS_NETWORKS": networks})


# -- /readyz ---------------------------------------------------------------------------------------
def lease(seconds: float) -> None:
    SchedulerLease.objects.all().delete()
    end = Now() + timedelta(seconds=seconds)
    SchedulerLease.objects.create(name="scheduler", holder="host-1/7", renewed_at=Now(), expires_at=end)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("memory_transport")
def test_ready_means_ledger_broker_and_a_scheduler_that_was_seen_lately(
    client: Client, viewing: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clerk = Client()
    clerk.force_login(User.objects.create_user("clerk", is_staff=True))
    lease(8)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.content) == (200, b"ready")
    assert clerk.get("/readyz").content == b"ready"
    details = viewing.get("/readyz").json()
    assert {name: part["is_up"] for name, part in details.items()} == dict.fromkeys(details, True)
    assert details["scheduler"]["holder"] == "host-1/7"

    lease(-10)  # a change of the leader
    assert client.get("/readyz").status_code == 200
    lease(-60)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.content) == (503, b"not ready")
    assert viewing.get("/readyz").json()["scheduler"]["is_up"] is False
    assert not [record for record in caplog.records if record.name == "django.request"], "a probe is no error"

    lease(8)
    monkeypatch.setattr(readiness.broker, "question", lambda: time.sleep(2))
    begun = time.monotonic()
    assert viewing.get("/readyz").json()["broker"] == {"is_up": False, "ping_seconds": None}
    assert time.monotonic() - begun < 2
    pending = readiness.broker._pending
    eventually(lambda: pending is not None and pending.done())


def test_not_ready_without_any_server_within_two_seconds(processes: Processes) -> None:
    port = str(free_port())
    environment = {
        "DJANGO_SETTINGS_MODULE": "queuehub.settings",
        "DATABASE_URL": f"postgres://nobody@127.0.0.1:{free_port()}/nothing",
        "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
    }
    command = [sys.executable, "-m", "uvicorn", "queuehub.asgi:application", "--port", port]
    processes.start(*command, env=environment).wait_for("Uvicorn running on")
    for session in ("", "anything"):
        begun = time.monotonic()
        answer = ask(f"http://127.0.0.1:{port}", "/readyz", session=session)
        assert (answer.status, answer.text) == (503, "not ready")
        assert time.monotonic() - begun < 3
