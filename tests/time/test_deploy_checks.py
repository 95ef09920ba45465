"""What `manage.py check --deploy` warns of: each harm has its message, and the tests' own site has none."""

from typing import Any

import pytest
from django.core import checks
from django.core.checks import CheckMessage
from django.db import connection, connections

from jobs.checks import check_servers
from tests.factories import make_worker

pytestmark = pytest.mark.django_db


def warned() -> dict[str, CheckMessage]:
    """Return the warnings of settings that harm a deployed site, by id."""
    messages = checks.run_checks(tags=["queuehub", checks.Tags.security], include_deployment_checks=True)
    return {str(message.id): message for message in messages if str(message.id).startswith("queuehub.")}


def warned_by_servers() -> dict[str, CheckMessage]:
    return {str(message.id): message for message in check_servers(databases=["default"])}


def test_a_connection_for_each_job_is_a_warning_where_a_server_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = connections["default"]
    is_server = ledger.vendor == "postgresql"
    for seconds, options, expected in ((0, {}, is_server), (0, {"pool": True}, False), (None, {}, False)):
        monkeypatch.setitem(ledger.settings_dict, "CONN_MAX_AGE", seconds)
        monkeypatch.setitem(ledger.settings_dict, "OPTIONS", options)
        assert ("queuehub.W010" in warned()) == expected, (seconds, options)


@pytest.mark.one_ledger
@pytest.mark.parametrize(
    ("name", "expected"), [("jobs.transports.memory.MemoryTransport", True), ("jobs.transports.rq.RQTransport", False)]
)
def test_a_transport_that_reaches_no_other_process_is_a_warning(settings: Any, name: str, expected: bool) -> None:
    settings.QUEUEHUB = {**settings.QUEUEHUB, "TRANSPORT": name}
    assert ("queuehub.W011" in warned()) == expected


@pytest.mark.one_ledger
def test_a_limit_for_all_visitors_together_is_a_warning(settings: Any) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert "lock" in warned()["queuehub.W031"].msg
    settings.QUEUEHUB = {**settings.QUEUEHUB, "TRUSTED_PROXIES": 1}
    assert "queuehub.W031" not in warned()
    settings.MIDDLEWARE = []
    assert "queuehub.W030" in warned()


@pytest.mark.one_ledger
def test_metrics_that_are_open_to_everybody_are_a_warning(settings: Any) -> None:
    settings.IS_PRODUCTION = False
    assert "METRICS_TOKEN" in str(warned()["queuehub.W032"].hint)
    settings.QUEUEHUB = {**settings.QUEUEHUB, "METRICS_TOKEN": "correct-horse"}
    assert "queuehub.W032" not in warned()
    settings.QUEUEHUB = {**settings.QUEUEHUB, "METRICS_TOKEN": ""}
    settings.IS_PRODUCTION = True  # then nobody may
    assert "queuehub.W032" not in warned()


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit"])
def test_commits_that_a_crash_takes_back_are_a_warning(memory_transport: Any, setting: str) -> None:
    if connection.vendor != "postgresql":
        assert "queuehub.W012" not in warned_by_servers()
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [setting])
        is_off = cursor.fetchone()[0] == "off"
        if setting == "synchronous_commit":
            cursor.execute("SET LOCAL synchronous_commit = off")
            is_off = True
    told = [message.msg for message in check_servers(databases=["default"]) if message.id == "queuehub.W012"]
    assert any(setting in text for text in told) == is_off


def test_workers_of_several_nodes_on_one_file_are_a_warning(memory_transport: Any) -> None:
    first, second = make_worker("w1"), make_worker("w2")
    assert "queuehub.W013" not in warned_by_servers()
    type(second).objects.filter(pk=second.pk).update(node="node-2")
    found = warned_by_servers()
    assert ("queuehub.W013" in found) == (connection.vendor == "sqlite")
    if found.get("queuehub.W013"):
        assert f"({first.node}, node-2)" in found["queuehub.W013"].msg


@pytest.mark.one_ledger
def test_notices_that_no_worker_would_send_are_a_warning(memory_transport: Any, settings: Any) -> None:
    worker = make_worker("w1")
    for configured, queues, expected in (
        ({}, ["mail"], False),
        ({"emails": ["ops@example.com"]}, ["mail"], True),
        ({"emails": ["ops@example.com"]}, ["mail", "notifications"], False),
        ({"emails": ["ops@example.com"], "queue": "mail"}, ["mail"], False),
        ({"emails": ["ops@example.com"]}, [], False),  # all queues
    ):
        settings.QUEUEHUB = {**settings.QUEUEHUB, "NOTIFICATIONS": configured}
        type(worker).objects.update(queues=queues)
        assert ("queuehub.W014" in warned_by_servers()) == expected, (configured, queues)
    type(worker).objects.update(queues=["mail"], state="stopped")
    assert "queuehub.W014" not in warned_by_servers(), "before any worker runs nothing can be known"
