"""Values as HTML for the admin. Everything that comes from a job is escaped."""

from typing import Any

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.admin.payload import masked, masked_arguments, named_arguments, pretty

PAYLOAD_PERMISSION = "jobs.view_payload"


def badge(state: str) -> SafeString:
    """Show a state as a coloured word."""
    return format_html('<span class="queuehub-state queuehub-state-{}">{}</span>', state, state)


def moment(field: str) -> Any:
    """Make a column that shows a time to the second, for lists and pages alike."""

    @admin.display(description=field.replace("_", " "))
    def shown(obj: Any) -> SafeString:
        at = getattr(obj, field)
        if at is None:
            return SafeString("-")
        text = f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"
        return format_html('<time class="queuehub-time" datetime="{}">{}</time>', at.isoformat(), text)

    shown.__name__ = f"shown_{field}"
    return shown


def block(text: str) -> SafeString:
    """Show a text as it is, with its line breaks."""
    return format_html('<pre class="queuehub-text">{}</pre>', text) if text else SafeString("-")


def line(text: str) -> SafeString:
    """Show the beginning of a text on one line, the whole on hovering."""
    return format_html('<span class="queuehub-line" title="{}">{}</span>', text, text) if text else SafeString("-")


def value(content: Any, user: Any) -> SafeString:
    """Show a JSON value, masked unless the user may view payloads."""
    if content in (None, "", [], {}):
        return SafeString("-")
    return block(pretty(content if user.has_perm(PAYLOAD_PERMISSION) else masked(content)))


def arguments(task: str, args: Any, kwargs: Any, user: Any) -> SafeString:
    """Show the arguments by name, masked unless the user may view payloads."""
    shown = named_arguments if user.has_perm(PAYLOAD_PERMISSION) else masked_arguments
    pairs = [(name, pretty(item)) for name, item in shown(task, args, kwargs)]
    if not pairs:
        return SafeString("none")
    rows = format_html_join("", '<dt>{}</dt><dd><pre class="queuehub-text">{}</pre></dd>', pairs)
    return format_html('<dl class="queuehub-arguments">{}</dl>', rows)


def duration(seconds: float) -> str:
    """Say a number of seconds."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.0f} min"
