"""Verbs in the admin: as list actions and as buttons on an object's page, confirmed with a reason."""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import model_ngettext, quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST

from jobs import operations
from jobs.admin.reading import ReadOnlyAdmin
from jobs.admin.verbs import Verb
from jobs.errors import NotPermitted
from jobs.lifecycle import operate
from jobs.operations import AT_ONCE

LIMIT = 10_000
"""Most objects that one confirmation changes."""
UNTYPED = 1000
"""Of more, the name of the verb is to be typed."""


class ReasonForm(forms.Form):
    """Why the operator does this; it goes into the audit log. For very many, the verb's name is to be typed."""

    reason = forms.CharField(
        max_length=255,
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField", "autofocus": True}),
    )
    typed = forms.CharField(
        required=False, widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"})
    )

    def __init__(self, verb: Verb, count: int, data: Any = None) -> None:
        super().__init__(data)
        self.wanted = verb.name if count > UNTYPED else ""
        if not self.wanted:
            del self.fields["typed"]

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"]
        if typed != self.wanted:
            raise forms.ValidationError(f"Type {self.wanted} to confirm.")
        return typed


class VerbAdmin(ReadOnlyAdmin):
    """A read-only page with the `verbs` that its subclass lists."""

    verbs: ClassVar[tuple[Verb, ...]] = ()

    def __init__(self, model: Any, admin_site: Any) -> None:
        super().__init__(model, admin_site)
        for verb in self.verbs:  # the admin asks so whether it may offer an action
            setattr(self, f"has_{verb.name}_permission", partial(_allows, verb))

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_verb"
        verb_url = path(
            "<path:object_id>/verb/<slug:verb_name>/", self.admin_site.admin_view(self.verb_view), name=name
        )
        return [verb_url, *super().get_urls()]

    @method_decorator(csrf_protect)
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        # the admin answers an action that a user may not use with a hint; a refusal must be a 403 and audited
        if request.method == "POST":
            for verb in self.verbs:
                if verb.name in request.POST.getlist("action"):
                    self.authorise(request, verb)
        return super().changelist_view(request, extra_context)

    def verb_view(self, request: HttpRequest, object_id: str, verb_name: str) -> HttpResponse:
        """Ask for confirmation of a verb on one object, then act and go back to its page."""
        return _posted(partial(self._verb_view, object_id=object_id, verb_name=verb_name))(request)

    def _verb_view(self, request: HttpRequest, object_id: str, verb_name: str) -> HttpResponse:
        verb = next((verb for verb in self.verbs if verb.name == verb_name), None)
        obj = self.get_object(request, unquote(object_id))
        if verb is None or obj is None:
            raise Http404
        self.authorise(request, verb, obj)
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        answer = self.confirm(request, verb, self.get_queryset(request).filter(pk=obj.pk))
        return answer or HttpResponseRedirect(self.page_after(request, obj))

    def permission_for(self, verb: Verb, obj: Any = None) -> str:
        """Return the permission that a verb needs, on one object or on many."""
        return verb.permission

    def authorise(self, request: HttpRequest, verb: Verb, obj: Any = None) -> None:
        """Refuse with a 403, and write the refusal to the audit log, unless the user may use the verb."""
        target = str(self.opts.model_name) if obj is None else self.audit_target(obj)
        try:
            operate.permit(request.user, self.permission_for(verb, obj), verb.name, target=target)
        except NotPermitted as error:
            raise PermissionDenied(str(error)) from None

    def confirm(self, request: HttpRequest, verb: Verb, queryset: "QuerySet[Any]") -> HttpResponse | None:
        """Show what the verb would do and ask for the reason; once confirmed, act and return None."""
        ids = list(queryset.values_list("pk", flat=True)[:LIMIT])
        form = ReasonForm(verb, len(ids), request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            reason = form.cleaned_data["reason"]
            if verb.in_bulk and len(ids) > AT_ONCE:
                self._begin(request, verb, ids, reason)
            else:
                self._tell(request, verb, verb.perform(ids, actor=request.user, reason=reason))
            return None
        objects = list(queryset[: LIMIT + 1])
        refusals = Counter(verb.refusal(obj) for obj in objects[:LIMIT])
        count = refusals.pop("", 0)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{verb.label} {count:,} {model_ngettext(self.opts, count)}?",
            "opts": self.opts,
            "media": self.media,
            "verb": verb,
            "form": form,
            "count": count,
            "sample": [obj for obj in objects[:LIMIT] if not verb.refusal(obj)][:10],
            "refusals": sorted(refusals.items()),
            "limit": LIMIT if len(objects) > LIMIT else None,
            "in_background": bool(verb.in_bulk) and len(ids) > AT_ONCE,
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "is_action": ACTION_CHECKBOX_NAME in request.POST,
        }
        if request.POST.get("select_across") == "1":
            context["selected"] = context["selected"][:1]
        return TemplateResponse(request, "jobs/admin/confirm.html", context)

    def _begin(self, request: HttpRequest, verb: Verb, ids: list[Any], reason: str) -> None:
        previewed = operations.preview(verb.in_bulk, actor=request.user, ids=ids, reason=reason)
        operation = operations.start(previewed, actor=request.user)
        address = reverse(f"{self.admin_site.name}:jobs_operation_change", args=[operation.pk])
        text = format_html(
            '<a href="{}">Operation {}</a> does this in the background: {} of {} {} can be {}.',
            address, operation.pk, f"{operation.possible_count:,}", f"{operation.expected_count:,}",
            model_ngettext(self.opts, operation.expected_count), verb.done,
        )  # fmt: skip
        self.message_user(request, text, messages.SUCCESS)

    def _tell(self, request: HttpRequest, verb: Verb, report: operate.Report) -> None:
        count = len(report.changed)
        parts = [f"{count:,} {model_ngettext(self.opts, count)} {verb.done}"]
        for why, number in sorted(Counter(report.skipped.values()).items()):
            parts.append(f"{number:,} skipped because {why}")
        level = messages.SUCCESS if count and not report.skipped else messages.WARNING
        self.message_user(request, ", ".join(parts) + ".", level)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj = kwargs.get("obj")
        if obj is not None:
            context["object_verbs"] = self.object_verbs(request, obj)
        return super().render_change_form(request, context, *args, **kwargs)

    def object_verbs(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """List the buttons of an object's page: what the user may do and the object allows."""
        user = request.user
        usable = [v for v in self.verbs if user.has_perm(self.permission_for(v, obj)) and not v.refusal(obj)]
        return [{"verb": verb, "url": self.url("verb", obj, verb.name)} for verb in usable]

    def page_after(self, request: HttpRequest, obj: Any) -> str:
        """Return the address to show once a verb has changed the object."""
        return self.url("change", obj)

    def url(self, page: str, obj: Any, *args: str) -> str:
        """Return the address of one of an object's pages."""
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=[quote(obj.pk), *args])


def _allows(verb: Verb, request: HttpRequest) -> bool:
    return verb.allows(request.user)


def _posted(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    return require_POST(csrf_protect(view))


def actions_of(verbs: Iterable[Verb]) -> list[Any]:
    """Make the admin's list actions of verbs."""
    return [_action(verb) for verb in verbs]


def _action(verb: Verb) -> Any:
    @admin.action(permissions=[verb.name], description=f"{verb.label} selected %(verbose_name_plural)s")
    def act(page: VerbAdmin, request: HttpRequest, queryset: "QuerySet[Any]") -> HttpResponse | None:
        return page.confirm(request, verb, queryset)

    act.__name__ = verb.name
    return act
