"""manage.py check explains RQ's settings."""

from typing import Any

import pytest

from jobs.checks_rq import check_rq

pytestmark = pytest.mark.fast
JSON = {"URL": "redis://localhost/0", "SERIALIZER": "rq.serializers.JSONSerializer"}


def found() -> list[str]:
    return [str(message.id) for message in check_rq()]


def test_the_project_s_own_settings_are_sound() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("queues", "ids"),
    [
        ({}, ["queuehub.E020"]),
        ({"other": JSON}, ["queuehub.E020"]),
        ({"default": {**JSON, "SERIALIZER": "json"}}, []),
        ({"default": {"URL": "redis://localhost/0"}}, ["queuehub.E021"]),
        ({"default": JSON, "mail": {**JSON, "SERIALIZER": "pickle"}}, ["queuehub.E021"]),
        ({"default": {**JSON, "SERIALIZER": "no.such.thing"}}, ["queuehub.E021"]),
        ({"default": JSON, "mail": JSON, "mail-high": JSON}, ["queuehub.E022"]),
        ({"default": JSON, "knee-high": JSON}, []),
    ],
)
def test_queues_are_judged(settings: Any, queues: dict[str, Any], ids: list[str]) -> None:
    settings.RQ_QUEUES = queues
    assert found() == ids


@pytest.mark.parametrize("worker", ["rq.Worker", "no.such.Worker", None])
def test_a_foreign_worker_class_is_a_warning(settings: Any, worker: str | None) -> None:
    settings.RQ = {"WORKER_CLASS": worker} if worker else {}
    assert found() == ["queuehub.W020"]


def test_other_transports_need_no_rq(settings: Any) -> None:
    settings.QUEUEHUB = {**settings.QUEUEHUB, "TRANSPORT": "jobs.transports.memory.MemoryTransport"}
    settings.RQ_QUEUES = {}
    assert found() == []
