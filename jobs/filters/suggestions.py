"""What could come next in a filter that is being written."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.filters import conditions, known
from jobs.filters.fields import FIELDS
from jobs.filters.plan import sees_payload
from jobs.filters.terms import quoted

MOST = 12
_TYPED = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|[^\s"])*\Z')
_AGES = ("-15m", "-1h", "-6h", "-24h", "-7d")

_VALUES: Mapping[str, Callable[[], list[str]]] = {
    "state": lambda: list(conditions.STATES),
    "queue": known.queue_names,
    "task": known.task_names,
    "worker": known.worker_ids,
    "error": known.error_classes,
    "created": lambda: [f">{age}" for age in _AGES] + ["today", "yesterday"],
    "wait": lambda: [">10s", ">1m", ">10m", ">1h"],
}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One way to go on: `text` takes the place of what stands from `start` to `end`."""

    text: str
    meaning: str
    start: int
    end: int


def suggest(text: str, position: int | None = None, *, actor: Any) -> list[Suggestion]:
    """Return up to 12 ways to go on at a position of the text, its end by default; nothing where it means nothing."""
    end = len(text) if position is None else max(0, min(position, len(text)))
    found = _TYPED.search(text, 0, end)
    typed = found[0] if found else ""
    minus = "-" if typed.startswith("-") else ""
    name, colon, rest = typed.removeprefix("-").partition(":")
    if not colon:
        return _fields(minus, name, end - len(typed), end, sees_payload(actor))
    field, _, path = name.lower().partition(".")
    if field not in _VALUES or path:
        return []
    value = rest.rpartition(",")[2]
    return _values(field, value, end - len(value), end)


def _fields(minus: str, name: str, start: int, end: int, may_see_payload: bool) -> list[Suggestion]:
    return [
        Suggestion(f"{minus}{field.name}{'.' if field.has_path else ':'}", field.meaning, start, end)
        for field in FIELDS.values()
        if field.name.startswith(name.lower()) and (may_see_payload or not field.permission)
    ][:MOST]


def _values(field: str, value: str, start: int, end: int) -> list[Suggestion]:
    names, wanted = _VALUES[field](), value.strip('"').lower()
    first = [name for name in names if name.lower().startswith(wanted)]
    others = [name for name in names if wanted in name.lower() and name not in first]
    shown = [name for name in [*first, *others] if name.lower() != wanted]
    keep = str if field in {"created", "wait"} else quoted
    return [Suggestion(keep(name), "", start, end) for name in shown[:MOST]]
