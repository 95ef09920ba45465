"""Tags and filters of the pages: the bar, the health strip, figures in words, small drawings."""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import template
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from dashboards import access, snapshot, words
from dashboards.navigation import PAGES, Page
from dashboards.routing import LIVE_PATH
from jobs.conf import get_settings
from jobs.models import AuditEntry

register = template.Library()

register.filter("plural", words.plural)
for shown in (words.number, words.duration, words.whole_seconds, words.memory, words.ago, words.ahead, words.share):
    register.filter(shown.__name__, shown)

UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{4}([0-9a-f]{8})")
BAR_WIDTH, BAR_GAP, SPARK_HEIGHT, MANY = 6, 2, 18, 10
PAST = {
    "cancel": "cancelled", "clone": "cloned", "discard": "discarded", "drain": "drained", "edit": "edited",
    "empty": "emptied", "enqueue": "enqueued", "export": "exported", "fire": "fired", "move": "moved",
    "pause": "paused", "prune": "pruned", "restore": "restored", "resume": "resumed", "retry": "retried", "run": "ran",
    "run now": "made due", "start": "started", "stop": "stopped",
}  # fmt: skip
"""The actions of the audit log as sentences tell them."""
PARTS = (("broker", "Broker"), ("ledger", "Ledger"), ("scheduler", "Scheduler"), ("workers", "Workers"))


@register.simple_tag(takes_context=True)
def frame(context: Any) -> dict[str, Any]:
    """Return what surrounds every page: the entries of the bar, the health strip, the words of the last snapshot."""
    request: HttpRequest | None = context.get("request")
    user = getattr(request, "user", None)
    environment = get_settings().environment_name
    if user is None or request is None or not context.get("is_page") or not access.may_look(user):
        return {"environment": environment}
    taken = json.loads(snapshot.current())
    told = taken.get("words", {})
    return {
        "environment": environment,
        "live_path": f"/{LIVE_PATH}",
        "entries": [(page, told.get(page.word, "")) for page in PAGES if page.is_open_to(user)],
        "strip": [(name, label, *taken["strip"][name]) for name, label in PARTS],
        "words": told,
    }


@register.filter
def acted(entry: AuditEntry) -> str:
    """Say in the past what an entry of the audit log says that somebody did, or tried to do."""
    if entry.result != "done":
        return f"tried to {entry.action}"
    return PAST.get(entry.action, entry.action)


@register.filter
def purpose(entry: AuditEntry) -> str:
    """Say of an entry about the start of an operation what it was to do: " to retry 552 jobs"; of others nothing."""
    told = entry.after if entry.action == "start" and isinstance(entry.after, dict) else {}
    if "verb" not in told:
        return ""
    count = told.get("jobs")
    return f" to {told['verb']} {words.plural(count, 'job') if isinstance(count, int) else 'jobs'}".replace("_", " ")


@register.filter
def breakable(name: str) -> SafeString:
    """Let a dotted name break behind its dots."""
    return format_html_join(mark_safe(".<wbr>"), "{}", ((part,) for part in name.split(".")))  # nosec B308 # no input


@register.filter
def shortened(text: str) -> str:
    """Leave of each long id its end, which tells jobs of one moment apart."""
    return UUID.sub(r"…\1", text)


@register.filter
def tail(job_id: object) -> str:
    """Return the end of a job's id: jobs of one moment begin alike."""
    return str(job_id)[-12:]


@register.simple_tag(takes_context=True)
def entries(context: Any) -> list[Page]:
    """Return the pages that the visitor may open, for bars of other makers."""
    user = getattr(context.get("request"), "user", None)
    return [page for page in PAGES if user is not None and page.is_open_to(user)]


@register.simple_tag
def age(at: datetime | None, now: datetime) -> SafeString:
    """Say for how long something has been, the moment of its beginning on hovering."""
    if at is None:
        return escape(words.NOTHING)
    return _timed(at, words.duration(max(0.0, (now - at).total_seconds())))


@register.simple_tag
def moment(at: datetime | None, now: datetime) -> SafeString:
    """Say how far away a moment is, the exact time on hovering."""
    if at is None:
        return escape(words.NOTHING)
    return _timed(at, words.ago(at, now) if at <= now else words.ahead(at, now))


def _timed(at: datetime, text: str) -> SafeString:
    exact = f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S %Z}"
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), exact, text)


@register.simple_tag
def spark(values: Sequence[int], *texts: str) -> SafeString:
    """Draw counts as small bars; the texts together say the same."""
    peak, rects = max([*values, 1]), []
    bar_width, gap = (BAR_WIDTH, BAR_GAP) if len(values) <= MANY else (2, 1)
    for index, value in enumerate(values):
        height = max(2.0, SPARK_HEIGHT * value / peak) if value else 1.0
        name = "some" if value else "none"
        rects.append((name, index * (bar_width + gap), f"{SPARK_HEIGHT - height:.1f}", bar_width, f"{height:.1f}"))
    width = len(values) * (bar_width + gap) - gap
    bars = format_html_join("", '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>', rects)
    text = "".join(texts)
    return _drawing("spark", width, SPARK_HEIGHT, text, format_html("<title>{}</title>{}", text, bars))


@register.simple_tag
def runs(states: Sequence[tuple[str, str]], text: str) -> SafeString:
    """Draw one thin mark per run, coloured by its state; `states` are pairs of a state and what to say of it."""
    marks = [(state, index * 5, said) for index, (state, said) in enumerate(states)]
    mark = '<rect class="run {}" x="{}" y="1" width="3.5" height="16"><title>{}</title></rect>'
    rects = format_html_join("", mark, marks)
    return _drawing("runs", max(1, len(marks) * 5), SPARK_HEIGHT, text, rects)


@register.simple_tag
def gauge(part: float, whole: float, text: str = "") -> SafeString:
    """Draw a part of a whole as a bar."""
    share = min(1.0, part / whole) if whole else 0.0
    level = "full" if share >= 0.95 else "some"
    bars = format_html(
        '<rect class="track" width="64" height="8" rx="4"/><rect class="{}" width="{}" height="8" rx="4"/>',
        level,
        f"{64 * share:.1f}",
    )
    return _drawing("gauge", 64, 8, text or words.share(part, whole), bars)


def _drawing(name: str, width: float, height: float, text: str, content: SafeString) -> SafeString:
    return format_html(
        '<svg class="{}" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">{}</svg>',
        name, width, height, width, height, text, content,
    )  # fmt: skip
