"""What people do to schedules; permission and audit are seen to here, as in `lifecycle/operate.py`."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from jobs import schedules
from jobs.conf import get_settings
from jobs.errors import InvalidJob
from jobs.lifecycle import operate
from jobs.models import Schedule
from jobs.statements import ledger_transaction

PERMISSION = "jobs.run_schedule"
EDITABLE = ("cron", "every_seconds", "timezone", "misfire", "queue", "priority", "args", "kwargs")


def set_enabled(
    is_enabled: bool, ids: Iterable[int], *, actor: operate.Actor, reason: str = ""
) -> operate.Report:
    """Switch schedules on or off; the switch counts as an edit, which wins over the setting.

    Raises: NotPermitted.
    """
    action = "enable" if is_enabled else "disable"
    operate.permit(actor, PERMISSION, action)
    report = operate.Report()
    with ledger_transaction():
        for schedule in _locked(ids):
            if schedule.is_enabled == is_enabled:
                report.skipped[schedule.pk] = f"it is {action}d already"
                continue
            Schedule.objects.using(get_settings().database).filter(pk=schedule.pk).update(
                is_enabled=is_enabled, is_edited=True, next_at=None
            )
            operate.audit(
                actor, action, f"schedule {schedule.name}", reason,
                before={"is_enabled": schedule.is_enabled}, after={"is_enabled": is_enabled},
            )  # fmt: skip
            report.changed.append(schedule.pk)
    return report


def run_now(ids: Iterable[int], *, actor: operate.Actor, reason: str = "") -> operate.Report:
    """Enqueue one job of each schedule; the times of the schedules stay as they are.

    Raises: NotPermitted.
    """
    operate.permit(actor, PERMISSION, "run")
    report = operate.Report()
    with ledger_transaction():
        for schedule in _locked(ids):
            try:
                job = schedules.enqueue_from(schedule)
            except InvalidJob as error:
                report.skipped[schedule.pk] = str(error)
                continue
            operate.audit(actor, "run", f"schedule {schedule.name}", reason, after={"job": str(job.pk)})
            report.changed.append(schedule.pk)
    return report


def edit(
    schedule_id: int, values: Mapping[str, Any], *, actor: operate.Actor, reason: str = "", version: str | None = None
) -> operate.Report:
    """Change when and how a schedule fires; the edit wins over the setting.

    `values` are columns in EDITABLE. With the `version_of` the row that was looked at, a schedule that somebody has
    changed since is left alone.

    Raises: NotPermitted; InvalidJob for what cannot be; nothing is written then.
    """
    operate.permit(actor, PERMISSION, "edit")
    for name in sorted(values.keys() - set(EDITABLE)):
        raise InvalidJob(name, "cannot be edited.", f"These can: {', '.join(EDITABLE)}.")
    report = operate.Report()
    with ledger_transaction():
        for schedule in _locked([schedule_id]):
            changed = {name: value for name, value in values.items() if getattr(schedule, name) != value}
            if version is not None and version != version_of(schedule):
                report.skipped[schedule.pk] = "somebody has changed it meanwhile"
            elif not changed:
                report.skipped[schedule.pk] = "nothing differs"
            else:
                _change(schedule, changed, actor, reason)
                report.changed.append(schedule.pk)
    return report


def _change(schedule: Schedule, changed: Mapping[str, Any], actor: operate.Actor, reason: str) -> None:
    before = {name: getattr(schedule, name) for name in changed}
    for name, value in changed.items():
        setattr(schedule, name, value)
    schedules.check_schedule(schedule)
    Schedule.objects.using(get_settings().database).filter(pk=schedule.pk).update(
        **changed, is_edited=True, next_at=None
    )
    operate.audit(actor, "edit", f"schedule {schedule.name}", reason, before=before, after=dict(changed))


def version_of(schedule: Schedule) -> str:
    """Return a short text that is another one as soon as somebody has edited the schedule."""
    columns = [getattr(schedule, name) for name in EDITABLE]
    return hashlib.sha256(json.dumps(columns, sort_keys=True).encode()).hexdigest()[:16]


def _locked(ids: Iterable[int]) -> list[Schedule]:
    rows = Schedule.objects.using(get_settings().database).select_for_update()
    return list(rows.filter(pk__in=list(ids)).order_by("pk"))
