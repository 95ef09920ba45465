"""Checks of the settings, for every `manage.py check`: what cannot work, and what hardly does."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Caution
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils.module_loading import import_string

from jobs.conf import Settings, get_settings, read
from jobs.declared import read_declared
from jobs.definition import registry
from jobs.errors import InvalidJob
from jobs.names import NAME
from jobs.transports import Transport

VENDORS = ("sqlite", "postgresql")
MAX_TAKE_OVER_SECONDS = 9
MAX_ATOMIC_SECONDS_ON_SQLITE = 10


Check = Callable[[Settings], Iterator[CheckMessage]]


def if_readable(check: Check) -> Callable[..., list[CheckMessage]]:
    """Make a Django check of one that takes the settings; `check_settings` reports those that cannot be read."""

    def run(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
        try:
            settings = get_settings()
        except (ImproperlyConfigured, TypeError):
            return []
        return [] if any(_shapes(settings)) else list(check(settings))

    return run


def check_settings(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Report unknown keys and bad values of QUEUEHUB."""
    raw = getattr(django_settings, "QUEUEHUB", {})
    if not isinstance(raw, Mapping):
        return [
            Error("QUEUEHUB must be a dict.", hint='Write QUEUEHUB = {"NODE": "web-1"}.', id="queuehub.E001")
        ]
    try:
        settings = read(raw)
    except ImproperlyConfigured as error:
        return [Error(str(error), hint="docs/settings.md lists every key.", id="queuehub.E001")]
    except TypeError as error:
        return [Error(f"QUEUEHUB: {error}", hint="Keys are upper-case texts.", id="queuehub.E001")]
    return [*_shapes(settings), *_combinations(settings)]


def _shapes(settings: Settings) -> Iterator[CheckMessage]:
    for name in ("transport_options", "schedules"):
        if not isinstance(getattr(settings, name), Mapping):
            yield Error(f"QUEUEHUB['{name.upper()}'] must be a dict.", id="queuehub.E002")
    for name in ("task_modules", "plain_rq_functions"):
        value = getattr(settings, name)
        if not isinstance(value, tuple) or not all(isinstance(item, str) for item in value):
            yield Error(f"QUEUEHUB['{name.upper()}'] must be a list of dotted names.", id="queuehub.E002")
    for name in ("default_queue", "node"):
        if not NAME.match(str(getattr(settings, name))):
            yield Error(
                f"QUEUEHUB['{name.upper()}'] is not a valid name.",
                hint="Use 1 to 128 of A-Z a-z 0-9 _ . -",
                id="queuehub.E002",
            )


def _combinations(settings: Settings) -> Iterator[CheckMessage]:
    if settings.scheduler_lease_seconds > MAX_TAKE_OVER_SECONDS:
        yield Caution(
            "SCHEDULER_LEASE_SECONDS is so long that a take-over takes more than 10 seconds.",
            hint=f"Set it to {MAX_TAKE_OVER_SECONDS} or less.",
            id="queuehub.W001",
        )
    if settings.scheduler_lease_seconds < 2:
        yield Caution(
            "SCHEDULER_LEASE_SECONDS is so short that a slow statement ends the lead.",
            hint="Set it to 2 or more.",
            id="queuehub.W001",
        )
    if settings.republish_after_seconds < 1:
        yield Caution(
            "REPUBLISH_AFTER_SECONDS is so short that messages on their way count as lost.",
            hint="Set it to 1 or more.",
            id="queuehub.W002",
        )
    if settings.max_attempts < 1 or settings.poison_losses < 1:
        yield Error("MAX_ATTEMPTS and POISON_LOSSES must be at least 1.", id="queuehub.E003")


def check_database(settings: Settings) -> Iterator[CheckMessage]:
    """Report a ledger that is no database of ours, and SQLite settings under which writers fail."""
    if settings.database not in django_settings.DATABASES:
        yield Error(
            f"QUEUEHUB['DATABASE'] names {settings.database!r}, which DATABASES does not have.",
            hint=f"Known are {', '.join(django_settings.DATABASES)}.",
            id="queuehub.E004",
        )
        return
    connection = connections[settings.database]
    if connection.vendor not in VENDORS:
        yield Error(
            f"The ledger cannot be kept in {connection.vendor}.",
            hint="Use PostgreSQL (14 or later) or SQLite.",
            id="queuehub.E005",
        )
    if connection.vendor == "sqlite":
        mode = connection.settings_dict.get("OPTIONS", {}).get("transaction_mode", "")
        if str(mode).upper() not in ("IMMEDIATE", "EXCLUSIVE"):
            yield Caution(
                "SQLite begins transactions as readers, which fail when two of them write.",
                hint=f'Set DATABASES["{settings.database}"]["OPTIONS"]["transaction_mode"] = "IMMEDIATE".',
                id="queuehub.W003",
            )
        yield from _long_atomic_tasks()


def _long_atomic_tasks() -> Iterator[CheckMessage]:
    for task in registry:
        if task.atomic and not 0 < task.limit_seconds <= MAX_ATOMIC_SECONDS_ON_SQLITE:
            yield Caution(
                f"The atomic task {task.module_path} may hold SQLite's only write lock for too long.",
                hint=f"Give it a timeout_seconds of 1 to {MAX_ATOMIC_SECONDS_ON_SQLITE}.",
                id="queuehub.W004",
            )


def check_transport(settings: Settings) -> Iterator[CheckMessage]:
    """Report a transport that is not there."""
    try:
        made = import_string(settings.transport)
    except ImportError as error:
        yield Error(f"QUEUEHUB['TRANSPORT'] cannot be imported: {error}", id="queuehub.E006")
        return
    if not (isinstance(made, type) and issubclass(made, Transport)):
        yield Error(
            f"QUEUEHUB['TRANSPORT'] names {settings.transport}, which is no transport.",
            hint="Name a subclass of jobs.transports.base.Transport.",
            id="queuehub.E006",
        )


def check_tasks(settings: Settings) -> Iterator[CheckMessage]:
    """Explain a default of TASKS that is not QueueHub's backend."""
    from_django = getattr(django_settings, "TASKS", {}).get("default", {}).get("BACKEND", "")
    ours = "jobs.integrations.tasks_backend.JobsBackend"
    if from_django == ours:
        return
    try:
        is_ours = bool(from_django) and issubclass(import_string(from_django), import_string(ours))
    except (ImportError, TypeError):
        is_ours = False
    if not is_ours:
        yield Caution(
            f"TASKS['default'] is {from_django or 'not set'}: @jobs.task needs its backend, and tasks"
            " of Django's own decorator do not run on QueueHub.",
            hint=f'Set TASKS = {{"default": {{"BACKEND": "{ours}"}}}}.',
            id="queuehub.W005",
        )


def check_plain_rq(settings: Settings) -> Iterator[CheckMessage]:
    """Report entries of PLAIN_RQ_FUNCTIONS that allow nothing, or not what they seem to."""
    for name in settings.plain_rq_functions:
        if "." not in name or not all(part.isidentifier() for part in name.split(".")):
            yield Error(
                f"QUEUEHUB['PLAIN_RQ_FUNCTIONS'] holds {name!r}, which is no dotted name of a function.",
                hint="Name each function exactly, as in 'shop.tasks.send'; patterns are not supported.",
                id="queuehub.E007",
            )
            continue
        try:
            function = import_string(name)
        except ImportError as error:
            yield Caution(
                f"PLAIN_RQ_FUNCTIONS: {error}", hint="Jobs of that name are refused.", id="queuehub.W006"
            )
            continue
        actual = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', '?')}"
        if actual != name:
            yield Error(
                f"QUEUEHUB['PLAIN_RQ_FUNCTIONS'] holds {name}, which is {actual} under another name.",
                hint="Name the function where it is defined.",
                id="queuehub.E007",
            )


def check_schedules(settings: Settings) -> Iterator[CheckMessage]:
    """Report declared schedules that would never fire."""
    for name, declaration in settings.schedules.items():
        try:
            read_declared(name, declaration)
        except InvalidJob as error:
            yield Error(f"QUEUEHUB['SCHEDULES'][{name!r}]: {error}", id="queuehub.E008")
