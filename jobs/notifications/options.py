"""QUEUEHUB["NOTIFICATIONS"] as one typed value, and what can be wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from jobs.conf import get_settings
from jobs.errors import InvalidJob, shown
from jobs.names import check_queue

SHORTEST_SECRET = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Whom to tell, and how often. Without a webhook and without addresses nobody is told."""

    webhook_url: str = ""
    """Where notices are posted as JSON, by https or http."""

    webhook_secret: str = ""
    """Signs each post; at least 16 characters, or "whsec_" and base64."""

    allowed_hosts: tuple[str, ...] = ()
    """Hosts of the webhook that may have private addresses, exactly as in its URL."""

    emails: tuple[str, ...] = ()
    """Addresses that get a mail by Django's EMAIL_BACKEND, from DEFAULT_FROM_EMAIL."""

    queue: str = "notifications"
    """Queue of the jobs that send; some worker must serve it."""

    interval_seconds: int = 900
    """Least time between two notices of one fingerprint, or of one cause of an alert."""

    most_per_interval: int = 20
    """Most fingerprints of dead letters told of in one interval; the others wait and go on counting."""

    unserved_seconds: int = 300
    """Alert when a queue has had due jobs and no worker for so long; 0: never."""

    paused_seconds: int = 3600
    """Alert when a queue has been paused for so long; 0: never."""

    failure_url: str = ""
    """A page of the failure for people, such as "https://queuehub.example.com/failures/{fingerprint}/"."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that send, one for each way."""
        ways = ((self.webhook_url, "send_webhook"), (self.emails, "send_email"))
        return tuple(f"jobs.notifications.tasks.{name}" for value, name in ways if value)


def options() -> Options:
    """Return the options of this process; with a mistake in them nobody is told, and `manage.py check` says why."""
    raw = get_settings().notifications
    return Options() if problems_of(raw) else _read(raw)


def _read(raw: Mapping[str, Any]) -> Options:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()}
    return Options(**values)


def problems_of(raw: Any) -> list[str]:
    """List what is wrong, one sentence each; empty means that all is well."""
    if not isinstance(raw, Mapping):
        return ['must be a dict such as {"emails": ["ops@example.com"]}']
    hints = get_type_hints(Options)
    unknown = [shown(name) for name in raw if name not in hints]
    if unknown:
        return [f"has no option {', '.join(unknown)}; known are {', '.join(sorted(hints))}"]
    read = _read(raw)
    problems = [problem for item in fields(Options) if (problem := _type_problem(item.name, hints, read))]
    return problems or [*_webhook_problems(read), *_queue_problems(read)]


def _type_problem(name: str, hints: Mapping[str, Any], read: Options) -> str:
    value, kind = getattr(read, name), hints[name]
    if kind is int:
        is_good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 366 * 86400
        return "" if is_good else f"{name} must be a whole number of 0 or more"
    if kind is str:
        return "" if isinstance(value, str) and value.isprintable() else f"{name} must be a text"
    is_good = isinstance(value, tuple) and all(isinstance(item, str) and item.isprintable() for item in value)
    return "" if is_good else f"{name} must be a list of texts"


def _webhook_problems(read: Options) -> list[str]:
    problems = []
    if read.webhook_url:
        try:
            parts = urlsplit(read.webhook_url)
            is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            is_good = False
        if not is_good or "@" in read.webhook_url.partition("://")[2].partition("/")[0]:
            problems.append("webhook_url must be an address of http or https, without a user")
        if len(read.webhook_secret) < SHORTEST_SECRET:
            problems.append(f"webhook_secret must have at least {SHORTEST_SECRET} characters")
    problems += [f"emails: {shown(address)} is no address" for address in read.emails if address.count("@") != 1]
    return problems


def _queue_problems(read: Options) -> list[str]:
    least_one = ("interval_seconds", "most_per_interval")
    problems = [f"{name} must be at least 1" for name in least_one if not getattr(read, name)]
    try:
        check_queue("queue", read.queue)
    except InvalidJob as error:
        problems.append(str(error))
    return problems
