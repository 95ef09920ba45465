"""What a task is: its options, the registry of all tasks, and the checks of its arguments.

`JobTask` extends the Task of Django 6.0 (of django-tasks on Django 5.2) and knows nothing of the database. A task
becomes known to workers by autodiscovery only, never because a message or row names it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from importlib import import_module
from inspect import Parameter, Signature, signature
from types import ModuleType
from typing import Any, ParamSpec, TypeVar, overload

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from jobs.conf import get_settings
from jobs.errors import InvalidJob, TooLarge, UnknownTask, shown
from jobs.names import check_name
from jobs.retry import DEFAULT_POLICY, Policy
from jobs.strict_json import bounded, dump
from jobs.upstream import Task, task_backends

P = ParamSpec("P")
T = TypeVar("T")

OPTIONS = ("unique_key", "expires_at", "tags", "meta", "correlation_id", "subject", "tenant")


@dataclass(frozen=True, kw_only=True)  # no slots: with them the zero-argument super() of using() would raise
class JobTask(Task):  # type: ignore[type-arg] # generic in django-tasks only
    """A function that runs as a job, with the options of the task and of the next enqueue."""

    max_attempts: int | None = None
    """Most attempts; None takes QUEUEHUB["MAX_ATTEMPTS"]."""

    timeout_seconds: int | None = None
    """Soft time limit of a run; None takes QUEUEHUB["TIMEOUT_SECONDS"], 0 means no limit."""

    retry: Policy = DEFAULT_POLICY
    """When to run again after a failure."""

    atomic: bool = False
    """Run inside the transaction that records the success."""

    aliases: tuple[str, ...] = ()
    """Former names of the task; rows that carry them still run."""

    slo_wait_p95_seconds: float | None = None
    """Objective: 95 % of the runs wait no longer; see `objectives.py`."""

    slo_success_ratio: float | None = None
    """Objective: this share of the jobs succeeds."""

    unique_key: str = ""
    """At most one unfinished job per key; empty means no limit."""

    expires_at: datetime | None = None
    """A job that has not begun by then is cancelled."""

    tags: tuple[str, ...] = ()
    meta: Mapping[str, Any] | None = field(default=None, hash=False)
    correlation_id: str = ""
    subject: str = ""
    tenant: str = ""

    def using(self, **changes: Any) -> "JobTask":
        """Return a copy with other options.

        Takes queue_name, priority, run_after, backend, unique_key, max_attempts, timeout_seconds, expires_at, tags,
        meta, correlation_id, subject and tenant; None leaves an option as it is.

        Raises: InvalidJob for an option that does not exist or a bad value.
        """
        unknown = changes.keys() - USING
        if unknown:
            raise InvalidJob(
                ", ".join(sorted(unknown)), "no such option.", f"using() takes {', '.join(sorted(USING))}."
            )
        if "tags" in changes and changes["tags"] is not None:
            changes["tags"] = tuple(changes["tags"])
        return replace(self, **{name: value for name, value in changes.items() if value is not None})

    @property
    def attempts_allowed(self) -> int:
        return self.max_attempts if self.max_attempts is not None else get_settings().max_attempts

    @property
    def limit_seconds(self) -> int:
        """The soft time limit in seconds; 0 means none."""
        return self.timeout_seconds if self.timeout_seconds is not None else get_settings().timeout_seconds

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Check that the arguments fit the function's signature.

        Raises: InvalidJob.
        """
        try:
            if _parameters(self.func, self.takes_context).parameters.keys() >= kwargs.keys():
                _fit(self.func, self.takes_context, len(args), tuple(kwargs))
            else:
                _parameters(self.func, self.takes_context).bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidJob("args", f"{self.module_path}: {error!s:.200}.", "Pass what the function takes.") from None


USING = frozenset({"queue_name", "priority", "run_after", "backend", "max_attempts", "timeout_seconds", *OPTIONS})


@overload
def task(function: Callable[P, T], /) -> JobTask: ...
@overload
def task(**options: Any) -> Callable[[Callable[P, T]], JobTask]: ...
def task(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Turn a module-level function, sync or async, into a task.

    Options: queue_name, priority (-100 to 100, higher first), max_attempts, timeout_seconds, retry (a policy of
    `jobs.retry`), atomic, takes_context (the first parameter must be named `context`), aliases, backend,
    slo_wait_p95_seconds and slo_success_ratio (objectives, for `manage.py jobs_alerts`).
    Django's own decorator of 6.0 takes none but its own options, hence this one; it serves both versions.

    Raises: InvalidJob, InvalidTask.
    """

    def decorate(func: Callable[..., Any]) -> JobTask:
        values = {"backend": "default", "priority": 0, "run_after": None, **options}
        values.setdefault("queue_name", get_settings().default_queue)
        if "aliases" in values:
            values["aliases"] = tuple(values["aliases"])
        made: JobTask = task_backends[values["backend"]].task_class(func=func, **values)  # type: ignore[assignment] # JobsBackend.task_class
        return made

    return decorate if function is None else decorate(function)


class TaskRegistry:
    """All tasks of this process by name and alias."""

    def __init__(self) -> None:
        self._tasks: dict[str, JobTask] = {}

    def autodiscover(self) -> None:
        """Import tasks.py of every installed app and QUEUEHUB["TASK_MODULES"], and register what they define."""
        for config in apps.get_app_configs():
            if config.module and module_has_submodule(config.module, "tasks"):
                self.register_module(import_module(f"{config.name}.tasks"))
        for name in get_settings().task_modules:
            self.register_module(import_module(name))

    def register_module(self, module: ModuleType) -> None:
        """Register the tasks that `module` defines itself; imported ones and `using()` copies are left out."""
        for attribute, value in vars(module).items():
            is_own = isinstance(value, JobTask) and value.func.__module__ == module.__name__
            if is_own and value.func.__qualname__ == attribute:
                for name in (value.module_path, *value.aliases):
                    check_name("task", name)
                    self._tasks[name] = value

    def get(self, name: str) -> JobTask:
        """Return the task of this name or alias.

        Raises: UnknownTask.
        """
        try:
            return self._tasks[name]
        except KeyError:
            raise UnknownTask(name) from None

    def __iter__(self) -> Iterator[JobTask]:
        return iter({id(item): item for item in self._tasks.values()}.values())

    def __contains__(self, name: object) -> bool:
        return name in self._tasks


registry = TaskRegistry()


def resolve(task: "JobTask | str") -> JobTask:
    """Return the registered task for a task object, a `using()` copy or a dotted name.

    Raises: UnknownTask; InvalidJob if it is a task of another backend.
    """
    if isinstance(task, str):
        return registry.get(task)
    if not isinstance(task, JobTask):
        raise InvalidJob("task", f"{shown(task)} is not a task of QueueHub.", "Decorate it with @jobs.task.")
    if task.module_path not in registry:
        raise UnknownTask(task.module_path)
    return task


@lru_cache(maxsize=4096)
def _parameters(func: Callable[..., Any], takes_context: bool) -> Signature:
    shape = signature(func)
    if not takes_context:
        return shape
    parameters: list[Parameter] = list(shape.parameters.values())[1:]
    return shape.replace(parameters=parameters)


@lru_cache(maxsize=4096)
def _fit(func: Callable[..., Any], takes_context: bool, count: int, names: tuple[str, ...]) -> None:
    """Bind so many arguments and these names. Only for names of parameters: of others there is no end."""
    _parameters(func, takes_context).bind(*[None] * count, **dict.fromkeys(names))


def check_payload(args: Any, kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return plain copies of the arguments, of built-in types alone; tuples become lists.

    Raises: InvalidJob, naming the argument and the remedy, for what is not strict JSON, NUL, lone surrogates, a depth
    over 64 and more than QUEUEHUB["MAX_PAYLOAD_BYTES"].
    """
    if not issubclass(type(args), list | tuple):
        raise InvalidJob("args", f"is of type {type(args).__name__}.", "Pass a list.")
    if not issubclass(type(kwargs), dict):
        raise InvalidJob("kwargs", f"is of type {type(kwargs).__name__}.", "Pass a dict.")
    limit = get_settings().max_payload_bytes
    (made_args, most_args), (made_kwargs, most_kwargs) = bounded("args", args, limit), bounded("kwargs", kwargs, limit)
    if most_args + most_kwargs <= limit:
        return made_args, made_kwargs
    size = sum(len(dump("args", part, limit).encode()) for part in (made_args, made_kwargs))
    if size > limit:
        raise TooLarge(
            "args", f"the arguments take {size:,} bytes as JSON, over the limit of {limit:,}.",
            "Store the data and pass its key.",
        )
    return made_args, made_kwargs
