"""The pages, their polling fallback, and what probes and scrapers ask for."""

import json

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboards import access, metrics, readiness, snapshot, visitors

CARDS = [
    ("queued", "Queued"),
    ("running", "Running"),
    ("scheduled", "Scheduled"),
    ("retrying", "Retrying"),
    ("dead", "Dead"),
    ("finished_per_minute", "Finished / min"),
]
"""Totals of a snapshot and their headings."""


@require_safe
@never_cache
@access.page
def overview(request: HttpRequest) -> HttpResponse:
    """Show the live overview."""
    context = {"cards": CARDS, "snapshot": json.loads(snapshot.current())}
    return render(request, "dashboards/overview.html", context)


@require_safe
@never_cache
@access.data
def snapshot_json(request: HttpRequest) -> HttpResponse:
    """Give the overview's figures as JSON, for browsers whose WebSocket is lost."""
    return HttpResponse(snapshot.current(), content_type="application/json")


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that this process answers; nothing else is checked."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether ledger, broker and scheduler are there: 200 or 503, which ones only to those who may look."""
    state = readiness.state()
    status = 200 if all(part["is_up"] for part in state.values()) else 503
    # who asks stands in the ledger's database: nobody is asked for while that is away
    if state["ledger"]["is_up"] and access.may_look(request.user):
        return JsonResponse(state, status=status)
    return HttpResponse("ready" if status == 200 else "not ready", status=status, content_type="text/plain")


@require_safe
@never_cache
def metrics_text(request: HttpRequest) -> HttpResponse:
    """Give the metrics in Prometheus's text format; `?name[]=` selects some by name.

    With QUEUEHUB["METRICS_TOKEN"], the header must be `Authorization: Bearer <token>`, unless the scraper's address
    lies in QUEUEHUB["METRICS_NETWORKS"].
    """
    if not metrics.is_open_to(request.headers.get("Authorization", ""), visitors.address_of(request)):
        answer = HttpResponse('set QUEUEHUB["METRICS_TOKEN"] and send it as a bearer token', status=401)
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    return HttpResponse(metrics.text(request.GET.getlist("name[]")), content_type=metrics.CONTENT_TYPE)
