"""What no person reads: the pages' data, and what probes and scrapers ask for."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboards import access, charts, metrics, readiness, snapshot, visitors


@require_safe
@never_cache
@access.data
def snapshot_json(request: HttpRequest) -> HttpResponse:
    """Give the overview's figures as JSON, for browsers whose WebSocket is lost."""
    return HttpResponse(snapshot.current(), content_type="application/json")


@require_safe
@never_cache
@access.data
def series_json(request: HttpRequest) -> HttpResponse:
    """Give a chart's data as JSON: `?range=1h&measure=outcome`, and `queue=` or `task=` for one alone."""
    queue, task = request.GET.get("queue") or None, request.GET.get("task") or None
    span = request.GET.get("range", charts.DEFAULT_RANGE)
    try:
        measure = request.GET.get("measure", charts.DEFAULT_MEASURE)
        return JsonResponse(charts.chart(span, measure, queue=queue, task=task))
    except KeyError as error:
        return JsonResponse({"error": f"there is no {error}"}, status=400)


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
        answer: HttpResponse = JsonResponse(state, status=status)
    else:
        answer = HttpResponse("ready" if status == 200 else "not ready", status=status, content_type="text/plain")
    answer._has_been_logged = True  # or Django would log, and Sentry tell of, an error at each probe
    return answer


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
