"""One schedule's form: when it fires, where its jobs go, and, for those who may see them, their arguments."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from dashboards import access
from dashboards.pages.screen import show
from jobs import schedule_verbs
from jobs.admin.display import PAYLOAD_PERMISSION
from jobs.admin.editing import PrettyJSON
from jobs.conf import get_settings
from jobs.errors import InvalidJob, NotPermitted
from jobs.lifecycle import operate
from jobs.models import Schedule
from jobs.models.schedule import Misfire

PAYLOAD = ("args", "kwargs")


class ScheduleForm(forms.Form):
    """The columns that may be edited; empty ones mean what the task says."""

    cron = forms.CharField(max_length=128, required=False, help_text="Minute, hour, day, month, weekday.")
    every_seconds = forms.IntegerField(required=False, label="Or every … seconds")
    timezone = forms.CharField(max_length=64, label="Time zone")
    misfire = forms.ChoiceField(choices=Misfire.choices, label="Missed times")
    queue = forms.CharField(max_length=128, required=False, help_text="Empty: the task's.")
    priority = forms.IntegerField(required=False, help_text="Empty: the task's.")
    args = PrettyJSON(label="Positional arguments", required=False, help_text="A JSON list.")
    kwargs = PrettyJSON(label="Keyword arguments", required=False, help_text="A JSON object.")
    reason = forms.CharField(max_length=255, required=False, help_text="Kept in the audit log.")
    version = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, schedule: Schedule, data: Any, *, with_payload: bool) -> None:
        initial = {name: getattr(schedule, name) for name in schedule_verbs.EDITABLE}
        super().__init__(data, initial={**initial, "version": schedule_verbs.version_of(schedule)})
        if not with_payload:
            for name in PAYLOAD:
                del self.fields[name]

    @property
    def values(self) -> dict[str, Any]:
        """The columns as the engine takes them."""
        empty: dict[str, Any] = {"args": [], "kwargs": {}}
        found = {name: self.cleaned_data[name] for name in schedule_verbs.EDITABLE if name in self.cleaned_data}
        return {name: empty.get(name) if value is None else value for name, value in found.items()}


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@access.page("jobs.view_schedule")
def schedule_edit(request: HttpRequest, key: int) -> HttpResponse:
    """Show a schedule's form; POST changes the schedule."""
    schedule = Schedule.objects.using(get_settings().database).filter(pk=key).first()
    if schedule is None:
        raise Http404
    try:
        operate.permit(request.user, schedule_verbs.PERMISSION, "edit", target=f"schedule {schedule.name}")
    except NotPermitted as error:
        raise PermissionDenied(str(error)) from None
    with_payload = request.user.has_perm(PAYLOAD_PERMISSION)
    form = ScheduleForm(schedule, request.POST or None, with_payload=with_payload)
    if form.is_valid() and _is_changed(request, schedule, form):
        return HttpResponseRedirect(reverse("dashboards:schedules"))
    return show(request, "schedule_edit", parent="schedules", schedule=schedule, form=form)


def _is_changed(request: HttpRequest, schedule: Schedule, form: ScheduleForm) -> bool:
    given = form.cleaned_data
    try:
        report = schedule_verbs.edit(
            schedule.pk, form.values, actor=request.user, reason=given["reason"], version=given["version"]
        )
    except InvalidJob as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return False
    if report.skipped:
        form.add_error(None, f"Left as it is: {', '.join(report.skipped.values())}.")
        return False
    messages.success(request, f"Schedule {schedule.name}: edited.")
    return True
