"""Pages that only show, and lists that stay cheap over a million rows."""

from functools import cached_property
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from jobs.conf import get_settings
from jobs.lifecycle import operate
from jobs.models import AuditEntry


class CappedPaginator(Paginator):  # type: ignore[type-arg] # generic in the stubs only
    """Counts up to `cap` rows and offers no page beyond, so that no request scans the table."""

    cap = 10_000

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[: self.cap].count())

    @property
    def is_capped(self) -> bool:
        """Whether there may be more rows than counted."""
        return self.count >= self.cap


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # generic in the stubs only
    """Shows rows of the ledger: nothing is added, edited or deleted by form."""

    actions: Any = ()
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    sortable_by: ClassVar[Any] = ()
    change_list_template = "jobs/admin/change_list.html"
    change_form_template = "jobs/admin/change_form.html"
    object_history_template = "jobs/admin/object_history.html"

    view_permission = ""
    """A permission that opens the pages in place of the model's own."""

    class Media:
        css = {"all": ["jobs/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).using(get_settings().database)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if self.view_permission:
            return request.user.has_perm(self.view_permission)
        return super().has_view_permission(request, obj)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        obj = super().get_object(request, object_id, from_field)
        # display methods see the object only, and what they show depends on who looks
        if obj is not None:
            obj.looked_at_by = request.user
        return obj

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        # Django allows every condition on a model's own columns. So anybody who may see the list could ask, by
        # `?kwargs__password__startswith=a`, for arguments that are masked, or by `__regex` for hours of work.
        return lookup in {getattr(item, "parameter_name", f"{item}__exact") for item in self.list_filter}

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method == "POST":
            self._refuse_form(request, "change" if object_id else "add", object_id)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method == "POST":
            self._refuse_form(request, "delete", object_id)
        return super().delete_view(request, object_id, extra_context)

    def _refuse_form(self, request: HttpRequest, action: str, object_id: str | None) -> None:
        target = f"{self.opts.model_name} {unquote(object_id)}" if object_id else str(self.opts.model_name)
        operate.note_refusal(request.user, action, target)
        raise PermissionDenied(f"nobody may {action} by form")

    def audit_target(self, obj: Any) -> str:
        """Return the name under which the object stands in the audit log."""
        return f"{self.opts.model_name} {obj.pk}"

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        obj: Model | None = self.get_object(request, unquote(object_id))
        entries = AuditEntry.objects.using(get_settings().database)
        history = entries.filter(target=self.audit_target(obj))[:100] if obj is not None else []
        return super().history_view(request, object_id, {**(extra_context or {}), "audit_entries": history})
