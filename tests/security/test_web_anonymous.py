"""What a visitor without a log-in gets, over real HTTP."""

from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from jobs.models import AuditEntry, Job
from tests.admin.conftest import page
from tests.factories import fresh, make_job
from tests.security.wire import ask

OPEN = {"/healthz", "/readyz", "/metrics", "/admin/login/"}
MODELS = ["job", "deadletter", "attempt", "queue", "worker", "schedule", "auditentry"]


def addresses(resolver: URLResolver, prefix: str = "/") -> list[str]:
    """List the addresses of the site, with a number wherever one takes a parameter."""
    found = []
    for item in resolver.url_patterns:
        route = prefix + str(item.pattern).lstrip("^").rstrip("$")
        found += addresses(item, route) if isinstance(item, URLResolver) else [_filled(item, route)]
    return found


def _filled(item: URLPattern, route: str) -> str:
    for name in item.pattern.converters:
        converter = type(item.pattern.converters[name]).__name__.removesuffix("Converter").lower()
        route = route.replace(f"<{converter}:{name}>", "1").replace(f"<{name}>", "1")
    return route


@pytest.mark.django_db
@pytest.mark.usefixtures("memory_transport")
def test_every_address_but_the_probes_leads_to_the_login(client: Client) -> None:
    known = [address for address in addresses(get_resolver()) if "(" not in address]
    assert len(known) > 40
    for address in known:
        answer = client.get(address)
        if address in OPEN:
            assert answer.status_code in (200, 503)
        elif answer.status_code == 302:
            assert answer.headers["Location"].startswith("/admin/"), address
            assert client.get(answer.headers["Location"], follow=True).request["PATH_INFO"] == "/admin/login/", address
        else:
            assert answer.status_code in (401, 403, 404, 405), address


@pytest.mark.django_db
@pytest.mark.usefixtures("memory_transport")
def test_no_address_takes_a_change(client: Client) -> None:
    for address in addresses(get_resolver()):
        if "(" in address or address in ("/admin/login/", "/admin/logout/", "/admin/jsi18n/"):
            continue
        for method in ("post", "put", "patch", "delete"):
            status = getattr(client, method)(address).status_code
            assert status in (401, 403, 404, 405), (method, address, status)


def test_real_requests_without_a_session_read_and_change_nothing(web_server: str) -> None:
    job = make_job("dead", task="tests.tasks.add", args=[1])
    assert ask(web_server, "/").headers["location"] == "/admin/login/?next=/"
    assert ask(web_server, page("job", job.pk, "change")).headers["location"].startswith("/admin/login/?next=")
    assert ask(web_server, "/snapshot.json").status == 401
    confirmed = {"confirmed": "yes", "reason": "x"}
    assert ask(web_server, page("job", job.pk, "verb", "retry"), form=confirmed).status == 401
    assert ask(web_server, page("job", job.pk, "verb", "retry"), form=confirmed, session="forged").status == 401
    assert ask(web_server, page("job", job.pk, "verb", "retry"), method="POST", body=b"").status == 403
    assert ask(web_server, "/", form={}).status == 401
    with pytest.raises(InvalidStatus) as refused:
        connect(web_server.replace("http", "ws") + "/ws/live/", origin=web_server)  # type: ignore[arg-type]
    assert refused.value.response.status_code == 403
    assert (fresh(job).state, Job.objects.count(), AuditEntry.objects.count()) == ("dead", 1, 0)
    assert ask(web_server, "/healthz").status == 200
    assert ask(web_server, "/readyz").text == "not ready"  # no scheduler runs here
    assert ask(web_server, "/metrics").status == 200  # in development


@pytest.mark.django_db
@pytest.mark.parametrize("model", MODELS)
def test_an_anonymous_change_leaves_nothing_behind(client: Client, model: str) -> None:
    for address in (page(model, "add"), page(model, "1", "change"), page(model, "1", "delete"), page(model)):
        posted: dict[str, Any] = {"post": "yes", "action": "retry", "_selected_action": "1"}
        assert client.post(address, posted).status_code == 401
    assert not AuditEntry.objects.exists()
