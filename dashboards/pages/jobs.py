"""The list of jobs: found by the filter language, page by page, and chosen for what is done to many."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboards import access, words
from dashboards.job_rows import changed_count, job_rows, marks_of
from dashboards.job_verbs import bulk_buttons
from dashboards.pages.screen import now_of, show, taken
from dashboards.state_tabs import tabs
from jobs.errors import FilterError
from jobs.filters import FIELDS, Found, Query, Search, parse, suggest
from jobs.filters.terms import MOST_CHARACTERS

PAGE_SIZE = 50
SEARCHED_EVERY_SECONDS = 10
"""How often a list looks for changes whose filter is more than a state."""


@require_safe
@never_cache
@access.page("jobs.view_job")
def jobs(request: HttpRequest) -> HttpResponse:
    """Show a page of the jobs that match `?q=`; to htmx, the tabs and how many of the shown rows have changed."""
    text = filter_of(request)
    query, found, fault = None, Found([]), None
    try:
        query = parse(text)
        found = _page(request, query)
    except FilterError as error:
        fault = error
    content = taken()
    context: dict[str, Any] = {
        "now": now_of(content), "search": text, "fault": fault, "tabs": tabs(query, content),
        "changed_count": changed_count(found.jobs, request.GET.get("seen", "")),
        "address": _address(request, text), "longest": MOST_CHARACTERS,
    }  # fmt: skip
    if request.headers.get("HX-Request") != "true":
        is_simple = _is_only_state(query)
        context |= {
            "fault_parts": _marked(text, fault), "chips": _chips(query), "rows": job_rows(found.jobs), "found": found,
            "older": _address(request, text, older=found.older), "newer": _address(request, text, newer=found.newer),
            "live_address": _live_address(request, text, found), "verbs": bulk_buttons(request.user),
            "every": 2 if is_simple else SEARCHED_EVERY_SECONDS, "is_counted": not is_simple,
            "fields": list(FIELDS.values()),
        }  # fmt: skip
    return show(request, "jobs", **context)


@require_safe
@never_cache
@access.page("jobs.view_job")
def count(request: HttpRequest) -> HttpResponse:
    """Say in a few words how many jobs match `?q=`, up to a cap; asked for once the rows are there."""
    try:
        found = Search(parse(filter_of(request)), actor=request.user).count()
    except FilterError:
        return HttpResponse("")
    told = "many jobs" if found.is_more and not found.number else words.plural(found.number, "job")
    text = f"{found} jobs" if found.is_more and found.number else told
    return render(request, "dashboards/parts/count.html", {"text": text})


@require_safe
@never_cache
@access.data
def suggestions(request: HttpRequest) -> JsonResponse:
    """Give ways to go on with the filter `?q=` at the place `&at=`, as JSON."""
    text, at = request.GET.get("q", "")[:MOST_CHARACTERS], request.GET.get("at", "")
    found = suggest(text, int(at) if at.isdecimal() and len(at) < 6 else None, actor=request.user)
    return JsonResponse({"suggestions": [
        {"text": each.text, "meaning": each.meaning, "start": each.start, "end": each.end} for each in found
    ]})  # fmt: skip


def filter_of(request: HttpRequest) -> str:
    """Return the filter in the address, one character more than a filter may have at most."""
    return request.GET.get("q", "").strip()[: MOST_CHARACTERS + 1]


def _page(request: HttpRequest, query: Query) -> Found:
    search = Search(query, actor=request.user)
    return search.page(
        older_than=request.GET.get("older", ""), newer_than=request.GET.get("newer", ""), limit=PAGE_SIZE
    )


def _is_only_state(query: Query | None) -> bool:
    return query is None or all(term.field == "state" for term in query.terms)


def _chips(query: Query | None) -> list[tuple[str, str]]:
    """Return each term as it was written, with the filter that is left without it."""
    return [] if query is None else [(query.written(term), query.without(term)) for term in query.terms]


def _marked(text: str, fault: FilterError | None) -> tuple[str, str, str]:
    """Cut the filter into what stands before, in and behind the characters at fault."""
    if fault is None or not text:
        return "", "", ""
    start = min(fault.start, len(text))
    end = max(fault.end, start)
    return text[:start][-200:], text[start:end][:200], text[end:][:200]


def _address(request: HttpRequest, text: str, **cursor: str) -> str:
    told = {"q": text, **cursor}
    return f"?{urlencode({name: value for name, value in told.items() if value})}"


def _live_address(request: HttpRequest, text: str, found: Found) -> str:
    cursors = {name: request.GET.get(name, "") for name in ("older", "newer")}
    return request.path + _address(request, text, **cursors, seen=marks_of(found.jobs))

