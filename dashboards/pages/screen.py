"""How a page is answered: whole to a browser, its live part alone to htmx."""

import json
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from dashboards import figures, snapshot


def show(request: HttpRequest, name: str, **context: Any) -> HttpResponse:
    """Render the page of this name, or only what htmx asks for every few seconds."""
    is_part = request.headers.get("HX-Request") == "true"
    folder = "live" if is_part else "pages"
    content = {"is_page": not is_part, "page": name, "live_template": f"dashboards/live/{name}.html", **context}
    answer = render(request, f"dashboards/{folder}/{name}.html", content)
    patch_vary_headers(answer, ["HX-Request"])
    return answer


def taken() -> dict[str, Any]:
    """Return the present snapshot, without "at" if the ledger did not answer."""
    content: dict[str, Any] = json.loads(snapshot.current())
    return content


def now_of(content: dict[str, Any]) -> datetime:
    """Return the moment of a snapshot, by the ledger's clock."""
    return datetime.fromisoformat(content["at"]) if "at" in content else figures.present()


def search_of(request: HttpRequest) -> str:
    """Return what the box above a table holds."""
    return request.GET.get("q", "").strip()[:128]
