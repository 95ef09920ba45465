"""A filtered list of jobs as a file, CSV or JSON: for spreadsheets and scripts."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.serializers.json import DjangoJSONEncoder
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from jobs.admin.display import PAYLOAD_PERMISSION
from jobs.conf import get_settings
from jobs.errors import FilterError, NotPermitted
from jobs.filters import Search, parse
from jobs.lifecycle import operate
from jobs.models import Job

MOST_ROWS = 10_000
BATCH = 1000
COLUMNS = (
    "id", "task", "queue", "state", "priority", "attempt", "failure_count", "created_at", "due_at", "finished_at",
    "reason", "worker", "unique_key", "fingerprint", "correlation_id", "tenant", "subject", "tags",
)  # fmt: skip
PAYLOAD = ("args", "kwargs", "result")
"""Columns for those only who may view payloads."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""With these a spreadsheet begins to calculate, whatever stands behind."""


@require_POST
def export(request: HttpRequest) -> HttpResponse:
    """Give the youngest 10,000 jobs that match the filter `q` as a file; `format` is csv or json."""
    kind, text = request.POST.get("format", "csv"), request.POST.get("q", "").strip()
    if kind not in ("csv", "json"):
        raise Http404
    try:
        for permission in ("jobs.export_job", "jobs.view_job"):
            operate.permit(request.user, permission, "export", target="jobs")
        columns = COLUMNS + PAYLOAD * request.user.has_perm(PAYLOAD_PERMISSION)
        rows = list(_rows(text, columns, request.user))
    except NotPermitted as error:
        raise PermissionDenied(str(error)) from None
    except FilterError as error:
        messages.error(request, f"Nothing was exported: {error}")
        return HttpResponseRedirect(reverse("dashboards:jobs"))
    operate.audit(request.user, "export", "jobs", "", after={"filter": text, "jobs": len(rows), "format": kind})
    if kind == "json":
        content = json.dumps(rows, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1)
        answer = HttpResponse(content, content_type="application/json")
    else:
        answer = HttpResponse(_as_csv(rows, columns), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="jobs.{kind}"'
    return answer


def _rows(text: str, columns: tuple[str, ...], user: Any) -> Iterator[dict[str, Any]]:
    cursor, count = "", 0
    while count < MOST_ROWS:
        found = Search(parse(text), actor=user).page(older_than=cursor, limit=min(BATCH, MOST_ROWS - count))
        by_id = {row["id"]: row for row in _jobs().filter(pk__in=[job.pk for job in found.jobs]).values(*columns)}
        yield from (by_id[job.pk] for job in found.jobs if job.pk in by_id)
        cursor, count = found.older, count + len(found.jobs)
        if not cursor:
            return


def _as_csv(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | dict | bool):
        value = json.dumps(value, ensure_ascii=False)
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return f"'{text}" if text.startswith(FORMULA) and not isinstance(value, int | float) else text


def _jobs() -> Any:
    return Job.objects.using(get_settings().database).order_by()
