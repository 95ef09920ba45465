"""What people do to schedules; permission and audit are seen to here, as in `lifecycle/operate.py`."""

from collections.abc import Iterable

from jobs import schedules
from jobs.conf import get_settings
from jobs.errors import InvalidJob
from jobs.lifecycle import operate
from jobs.models import Schedule
from jobs.statements import ledger_transaction

PERMISSION = "jobs.run_schedule"


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


def _locked(ids: Iterable[int]) -> list[Schedule]:
    rows = Schedule.objects.using(get_settings().database).select_for_update()
    return list(rows.filter(pk__in=list(ids)).order_by("pk"))
