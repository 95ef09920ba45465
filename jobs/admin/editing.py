"""Edit and retry: new arguments for a job that has ended, checked as an enqueue would check them."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from jobs.admin.confirmation import VerbAdmin
from jobs.admin.display import PAYLOAD_PERMISSION
from jobs.admin.payload import pretty
from jobs.admin.verbs import RETRY
from jobs.errors import InvalidJob, NotPermitted
from jobs.lifecycle import operate

EDIT_PERMISSION = "jobs.edit_job"


class PrettyJSON(forms.JSONField):
    """JSON in a text area, indented and in its own script."""

    widget = forms.Textarea(attrs={"class": "vLargeTextField queuehub-json", "spellcheck": "false"})

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except (RecursionError, ValueError):  # nested by the thousand, or a number of more digits than Python reads
            raise forms.ValidationError("Enter JSON that is less deep and has shorter numbers.") from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            return super().bound_data(data, initial)
        except (RecursionError, ValueError):
            return data

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else pretty(value)


class ArgumentsForm(forms.Form):
    """The arguments of one job. `version` tells whether somebody else was faster."""

    args = PrettyJSON(label="Positional arguments", help_text="A JSON list.", required=False)
    kwargs = PrettyJSON(label="Keyword arguments", help_text="A JSON object.", required=False)
    reason = forms.CharField(max_length=255, required=False, widget=forms.TextInput(attrs={"class": "vTextField"}))
    version = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, job: Any, data: Any = None) -> None:
        self.job = job
        version = operate.version_of(job)
        super().__init__(data, initial={"args": job.args, "kwargs": job.kwargs, "version": version})

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if self.errors:
            return values
        if values["version"] != operate.version_of(self.job):
            raise forms.ValidationError("The job has changed meanwhile: open this page again.")
        try:
            operate.check_arguments(self.job.task, values["args"], values["kwargs"])
        except InvalidJob as error:
            raise forms.ValidationError(str(error)) from None
        return values

    def clean_args(self) -> list[Any]:
        args = self.cleaned_data["args"] if self.cleaned_data["args"] is not None else []
        if not isinstance(args, list):
            raise forms.ValidationError("Enter a JSON list, such as [1, 2].")
        return args

    def clean_kwargs(self) -> dict[str, Any]:
        kwargs = self.cleaned_data["kwargs"] if self.cleaned_data["kwargs"] is not None else {}
        if not isinstance(kwargs, dict):
            raise forms.ValidationError('Enter a JSON object, such as {"limit": 1}.')
        return kwargs


class EditAdmin(VerbAdmin):
    """Adds the page "Edit and retry"."""

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_edit"
        view = self.admin_site.admin_view(self.edit_view)
        return [path("<path:object_id>/edit/", view, name=name), *super().get_urls()]

    def may_edit(self, user: Any) -> bool:
        """Say whether the user may see and replace arguments and retry."""
        return all(user.has_perm(name) for name in (EDIT_PERMISSION, PAYLOAD_PERMISSION, RETRY.permission))

    @method_decorator([csrf_protect, require_http_methods(["GET", "HEAD", "POST"])])
    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the arguments as JSON; POST replaces them and retries the job."""
        job = self.get_object(request, unquote(object_id))
        if job is None:
            raise Http404
        if not self.may_edit(request.user) or not self.has_view_permission(request, job):
            self._refuse(request, job)
        if why := RETRY.refusal(job):
            self.message_user(request, f"Not edited: {why}.", messages.WARNING)
            return HttpResponseRedirect(self.url("change", job))
        form = ArgumentsForm(job, request.POST or None)
        if form.is_valid():
            values = form.cleaned_data
            report = operate.revive(
                [job.pk],
                actor=request.user,
                reason=values["reason"],
                args=values["args"],
                kwargs=values["kwargs"],
                version=values["version"],
            )
            self._tell(request, RETRY, report)
            return HttpResponseRedirect(self.page_after(request, job))
        context = {
            **self.admin_site.each_context(request),
            "title": "Edit and retry",
            "opts": self.opts,
            "original": job,
            "form": form,
            "media": self.media,
            "back_url": self.url("change", job),
        }
        return TemplateResponse(request, "jobs/admin/edit.html", context)

    def _refuse(self, request: HttpRequest, job: Any) -> None:
        for permission in (EDIT_PERMISSION, PAYLOAD_PERMISSION, RETRY.permission, "jobs.view_job"):
            try:
                operate.permit(request.user, permission, "edit", target=self.audit_target(job))
            except NotPermitted as error:
                raise PermissionDenied(str(error)) from None

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        job = kwargs.get("obj")
        if job is not None and self.may_edit(request.user) and not RETRY.refusal(job):
            context["edit_url"] = self.url("edit", job)
        return super().render_change_form(request, context, *args, **kwargs)
