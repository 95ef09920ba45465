"""The QUEUEHUB setting as one typed, frozen value.

Every field has its unit in its name or comment and a default that suits production. `manage.py check` reports unknown
keys and bad values (`checks/`); docs/settings.md is generated from this file.
"""

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from ipaddress import ip_network
from typing import Any, get_type_hints

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from jobs.errors import shown


def _node() -> str:
    return os.environ.get("QUEUEHUB_NODE") or socket.gethostname()


def _code_version() -> str:
    return os.environ.get("QUEUEHUB_CODE_VERSION", "")[:64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `QUEUEHUB = {...}` may hold; keys are the upper-case names of these fields."""

    database: str = "default"
    """Alias in DATABASES of the ledger."""

    transport: str = "jobs.transports.rq.RQTransport"
    """Dotted path of the transport class."""

    transport_options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments for the transport class."""

    node: str = field(default_factory=_node)
    """Name of this host in the ledger; the environment variable QUEUEHUB_NODE, else the host name."""

    code_version: str = field(default_factory=_code_version)
    """Version of the application, kept with every attempt; the environment variable QUEUEHUB_CODE_VERSION."""

    environment_name: str = ""
    """Shown beside the pages' title, such as "PROD"; empty shows nothing."""

    default_queue: str = "default"
    """Queue of a task that names none."""

    task_modules: tuple[str, ...] = ()
    """Modules with tasks beside the tasks.py of installed apps."""

    max_attempts: int = 5
    """Attempts of a task that names no limit; 1 switches retries off."""

    timeout_seconds: int = 300
    """Soft time limit of a run whose task names none; 0 means no limit."""

    hard_timeout_grace_seconds: float = 5
    """How long after its soft limit a run may go on before its worker is killed."""

    window_messages: int = 5000
    """Messages that a queue may have on the transport; the rest waits in the ledger."""

    prefetch_limit: int = 250
    """Most jobs that a worker claims at once; 1 switches batching off."""

    prefetch_milliseconds: int = 100
    """A worker claims as many jobs as finish in this time by the task's moving average."""

    release_after_milliseconds: int = 200
    """Once a run takes longer, its worker gives claimed jobs that have not begun back."""

    receive_wait_seconds: float = 1.0
    """How long an idle worker waits for a message before it asks the ledger itself."""

    heartbeat_seconds: float = 3
    """Interval of a pool's heartbeat."""

    heartbeat_directory: str = ""
    """Folder in which pools and schedulers give signs of life for `jobs_health`; empty: they give none."""

    lost_after_seconds: float = 15
    """Silence after which a worker on another host counts as lost; at least three heartbeats, and at least 8 s."""

    shutdown_grace_seconds: float = 10
    """How long SIGTERM lets running jobs go on before they are interrupted."""

    poison_losses: int = 3
    """Losses suffered alone after which a job is declared dead."""

    unknown_task_seconds: int = 600
    """How long a job whose task no worker knows is tried again, as in a deployment, before it is dead; 0: at once."""

    scheduler_lease_seconds: float = 8
    """Lifetime of the scheduler's lease; another one takes over after this much silence."""

    republish_after_seconds: float = 5
    """Age after which a published message that the transport does not list is published again."""

    retention_succeeded_seconds: int = 7 * 86400
    """How long succeeded jobs are kept; 0 means for ever."""

    retention_cancelled_seconds: int = 30 * 86400
    """How long cancelled jobs are kept; 0 means for ever."""

    retention_dead_seconds: int = 0
    """How long dead letters are kept; 0 means for ever."""

    retention_statistics_seconds: int = 30 * 86400
    """How long per-minute statistics are kept; totals stay for ever."""

    max_payload_bytes: int = 256 * 1024
    """Most bytes of a job's arguments as JSON."""

    max_result_bytes: int = 64 * 1024
    """Most bytes of a result as JSON; a larger one is kept truncated with a mark."""

    max_traceback_bytes: int = 64 * 1024
    """Most bytes of a traceback; a longer one is cut in the middle with a mark."""

    schedules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Periodic jobs by name: {"task", "cron" or "every_seconds", "timezone", "args", "kwargs", "queue", "misfire"}."""

    plain_rq_functions: tuple[str, ...] = ()
    """Exact dotted names of functions that plain RQ jobs may run on our workers."""

    rq_admin: bool = False
    """Show django-rq's own pages in the admin, to superusers."""

    notifications: Mapping[str, Any] = field(default_factory=dict)
    """Whom to tell of dead letters and alerts: {"webhook_url", "webhook_secret", "emails", …}, see notifications.md."""

    open_telemetry: bool = False
    """Make OpenTelemetry spans of enqueues and runs; needs opentelemetry-api, see observability.md."""

    trace_runs_in_parent: bool = False
    """Let the span of a run be a child of its enqueue's, in the same trace, and not only linked to it."""

    trace_url: str = ""
    """Address of a trace in your viewer, with {trace_id} in it; the page of a job links there."""

    metrics_token: str = ""
    """Bearer token for /metrics; without it and METRICS_NETWORKS, production refuses and development allows."""

    metrics_networks: tuple[str, ...] = ()
    """Networks that may read /metrics without the token, as in "10.0.0.0/8"."""

    trusted_proxies: int = 0
    """Proxies in front of the web server that each add an address to X-Forwarded-For; 0 means: do not believe it."""

    login_attempts: int = 10
    """Log-ins that may fail in a row for a user name from one address; 0 means without limit."""

    login_window_seconds: int = 900
    """From the first failed log-in to the time when all are forgotten."""

    posts_per_minute: int = 120
    """Changing requests of one user in a minute, a bulk action being one; 0 means without limit."""

    live_sockets: int = 500
    """Most WebSockets that a web process keeps open."""

    behind_seconds: float = 900
    """The overview calls a queue behind whose oldest due job has waited for longer."""


def read(raw: Mapping[str, Any]) -> Settings:
    """Turn the QUEUEHUB mapping into `Settings`.

    Raises: ImproperlyConfigured, naming every unknown key and every bad value at once.
    """
    if not isinstance(raw, Mapping):
        raise ImproperlyConfigured(f"QUEUEHUB must be a dict, not {shown(raw, 80)}")
    known = {item.name.upper(): item.name for item in fields(Settings)}
    problems = [f"unknown key {shown(key)}; known are {', '.join(sorted(known))}" for key in raw if key not in known]
    values = {known[key]: _coerced(known[key], value) for key, value in raw.items() if key in known}
    settings = Settings(**values)
    problems += problems_of(settings)
    if problems:
        raise ImproperlyConfigured("QUEUEHUB: " + "; ".join(problems))
    return settings


def _coerced(name: str, value: Any) -> Any:
    return tuple(value) if name in LISTS and isinstance(value, list | set) else value


_ACCEPTED: dict[Any, tuple[type, ...]] = {int: (int,), float: (int, float), str: (str,), bool: (bool,)}


def problems_of(settings: Settings) -> list[str]:
    """List what is wrong with the values, one sentence each; empty means that all is well."""
    problems = []
    hints = get_type_hints(Settings)
    for item in fields(Settings):
        value, kind = getattr(settings, item.name), hints[item.name]
        wanted = _ACCEPTED.get(kind)
        if wanted and (not isinstance(value, wanted) or (kind is not bool and isinstance(value, bool))):
            problems.append(f"{item.name.upper()} must be of type {kind.__name__}, not {shown(value)}")
        elif kind in (int, float) and not (0 if item.name in ZERO_MEANS_OFF else 0.001) <= value <= LARGEST:
            problems.append(f"{item.name.upper()} must be positive, and no more than {LARGEST:g}, not {shown(value)}")
    if problems:
        return problems
    if settings.lost_after_seconds < 3 * settings.heartbeat_seconds:
        problems.append("LOST_AFTER_SECONDS must be at least three times HEARTBEAT_SECONDS")
    if settings.lost_after_seconds < MIN_LOST_AFTER_SECONDS:
        problems.append(f"LOST_AFTER_SECONDS must be at least {MIN_LOST_AFTER_SECONDS}")
    if not 1 <= settings.prefetch_limit <= 1000:
        problems.append("PREFETCH_LIMIT must lie between 1 and 1000")
    if settings.window_messages < settings.prefetch_limit:
        problems.append("WINDOW_MESSAGES must not be smaller than PREFETCH_LIMIT")
    problems += _network_problems(settings.metrics_networks)
    if settings.trace_url and not TRACE_URL.match(settings.trace_url):
        problems.append(f"TRACE_URL must be an address with {{trace_id}} in it, not {shown(settings.trace_url, 80)}")
    return problems


def _network_problems(networks: Any) -> list[str]:
    if not isinstance(networks, tuple):
        return [f'METRICS_NETWORKS must be a list such as ["10.0.0.0/8"], not {shown(networks, 80)}']
    problems = []
    for network in networks:
        try:
            if not isinstance(network, str):  # numbers are networks to ip_network(), and False is 0.0.0.0
                raise ValueError(f"{shown(network)} is not a network")
            ip_network(network)
        except ValueError as error:
            problems.append(f"METRICS_NETWORKS: {error}")
    return problems


MIN_LOST_AFTER_SECONDS = 8
"""Silence is judged every two seconds; a shorter watch than this would take each pause in between for its own sleep."""

LARGEST = 1e15
"""Of any number; with infinity or NaN the waiting and comparing would fail later."""

TRACE_URL = re.compile(r"https?://[^\s{}]*\{trace_id\}[^\s{}]*\Z")

LISTS = {"task_modules", "plain_rq_functions", "metrics_networks"}
ZERO_MEANS_OFF = {
    "unknown_task_seconds",
    "timeout_seconds",
    "retention_succeeded_seconds",
    "retention_cancelled_seconds",
    "retention_dead_seconds",
    "retention_statistics_seconds",
    "hard_timeout_grace_seconds",
    "trusted_proxies",
    "login_attempts",
    "posts_per_minute",
}


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process, read once.

    What cannot be read is left at its default here, so that `manage.py check`, which every command runs first, can
    say what is wrong; servers that run no checks call `read` at their start.
    """
    raw = getattr(django_settings, "QUEUEHUB", {})
    try:
        return read(raw)
    except (ImproperlyConfigured, TypeError):
        return _readable(raw if isinstance(raw, Mapping) else {})


def _readable(raw: Mapping[str, Any]) -> Settings:
    good: dict[str, Any] = {}
    for key, value in raw.items():
        try:
            read({**good, key: value})
        except (ImproperlyConfigured, TypeError):
            continue
        good[key] = value
    return read(good)


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "QUEUEHUB":
        get_settings.cache_clear()


setting_changed.connect(_forget)
