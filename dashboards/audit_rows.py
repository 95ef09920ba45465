"""Rows of the audit log: who did what and why, and what was different before and after."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from jobs.admin.display import PAYLOAD_PERMISSION
from jobs.admin.payload import masked_change, pretty
from jobs.models import AuditEntry

LONGEST = 60
"""Characters of a value that stand in the row; the whole one follows on demand."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change."""

    entry: AuditEntry
    change: str
    """What is different, in a line: "state dead → queued"."""
    before: str
    after: str
    """All that was kept, as JSON; empty for nothing."""

    @property
    def is_longer(self) -> bool:
        """Whether the line leaves something out."""
        return "…" in self.change or (not self.change and bool(self.before or self.after))

    @property
    def job_id(self) -> UUID | None:
        """The job that was changed, if it was one."""
        kind, _, name = self.entry.target.partition(" ")
        try:
            return UUID(name) if kind == "job" else None
        except ValueError:
            return None

    @property
    def short_id(self) -> str:
        return self.entry.target[-12:]

    @property
    def operation_id(self) -> int | None:
        """The operation that was started or stopped, if it was one."""
        kind, _, name = self.entry.target.partition(" ")
        return int(name) if kind == "operation" and name.isdecimal() else None


def audit_rows(entries: Iterable[AuditEntry], user: Any) -> list[AuditRow]:
    """Return the entries as rows; arguments are masked unless the user may view payloads."""
    is_open = user.has_perm(PAYLOAD_PERMISSION)
    return [_row(entry, is_open) for entry in entries]


def _row(entry: AuditEntry, is_open: bool) -> AuditRow:
    before, after = entry.before, entry.after
    if not is_open:
        before, after = masked_change(before), masked_change(after)
    return AuditRow(entry, _change(before, after), *(pretty(side) if side else "" for side in (before, after)))


def _change(before: Any, after: Any) -> str:
    if not isinstance(after, dict):
        return ""
    was = before if isinstance(before, dict) else {}
    told = [_difference(name, was, value) for name, value in after.items() if was.get(name) != value]
    return ", ".join(told)


def _difference(name: str, was: dict[str, Any], value: Any) -> str:
    name, key = name.replace("_", " "), name
    if key in was:
        return f"{name} {_short(was[key])} → {_short(value)}"
    return f"{name} {_short(value)}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else " ".join(pretty(value).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
