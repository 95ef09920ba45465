"""Django's system checks of what QueueHub needs of RQ's and django-rq's settings."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Caution
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from rq.serializers import JSONSerializer, resolve_serializer

from jobs.conf import get_settings
from jobs.transports.rq import RQTransport
from jobs.transports.rq_messages import HIGH

WORKER_CLASS = "jobs.integrations.rq_worker.QueueHubWorker"


def register() -> None:
    """Register the checks with Django."""
    checks.register(check_rq, "queuehub")


def check_rq(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Report settings of RQ under which workers would unpickle messages, or lose them."""
    try:
        transport = import_string(get_settings().transport)
    except (ImproperlyConfigured, ImportError, TypeError):
        return []  # checks/configuration.py reports it
    if not (isinstance(transport, type) and issubclass(transport, RQTransport)):
        return []
    queues = getattr(django_settings, "RQ_QUEUES", None)
    if not isinstance(queues, Mapping) or "default" not in queues:
        return [
            Error(
                'RQ_QUEUES has no entry "default".',
                hint='Set RQ_QUEUES = {"default": {"URL": …, "SERIALIZER": "json"}}.',
                id="queuehub.E020",
            )
        ]
    return [*_serializers(queues), *_names(queues), *_worker_class()]


def _serializers(queues: Mapping[str, Any]) -> Iterator[CheckMessage]:
    for name, entry in queues.items():
        try:
            is_json = resolve_serializer(entry.get("SERIALIZER")) is JSONSerializer
        except Exception:  # whatever an import of the named serializer raises
            is_json = False
        if not is_json:
            yield Error(
                f"RQ_QUEUES[{name!r}] does not use RQ's JSON serializer: a writer on Redis could run code.",
                hint=f'Set RQ_QUEUES[{name!r}]["SERIALIZER"] = "rq.serializers.JSONSerializer".',
                id="queuehub.E021",
            )


def _names(queues: Mapping[str, Any]) -> Iterator[CheckMessage]:
    for name in queues:
        if name.endswith(HIGH) and name.removesuffix(HIGH) in queues:
            yield Error(
                f"RQ_QUEUES[{name!r}] is where the urgent jobs of {name.removesuffix(HIGH)!r} stand.",
                hint=f"Give it a name that does not end in {HIGH!r}; a priority above 0 needs no entry.",
                id="queuehub.E022",
            )


def _worker_class() -> Iterator[CheckMessage]:
    named = getattr(django_settings, "RQ", {}).get("WORKER_CLASS", "rq.Worker")
    try:
        found = import_string(named) if isinstance(named, str) else named
        is_ours = issubclass(found, import_string(WORKER_CLASS))
    except (ImportError, TypeError):
        is_ours = False
    if not is_ours:
        yield Caution(
            f"RQ['WORKER_CLASS'] is {named}: manage.py rqworker and rqworker-pool would run job by job, and"
            " lose messages where RQ does.",
            hint=f'Set RQ = {{"WORKER_CLASS": "{WORKER_CLASS}"}}.',
            id="queuehub.W020",
        )
