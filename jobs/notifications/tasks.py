"""The tasks that send a notice: jobs as any other, retried, shown and dead at last, but told of to nobody."""

import json
import time
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from jobs.definition import task
from jobs.errors import DeliveryFailed, Discard, PermanentError
from jobs.log_lines import one_line
from jobs.notifications.options import options
from jobs.notifications.posting import post
from jobs.notifications.signature import signed_headers
from jobs.retry import Exponential

POLICY = Exponential(first_seconds=10, factor=3, max_seconds=3600)
WORTH_RETRYING = frozenset({408, 409, 425, 429})
"""Answers below 500 that may be another tomorrow."""

SMTP_SECONDS = 20


@task(takes_context=True, max_attempts=8, timeout_seconds=60, retry=POLICY)
def send_webhook(context: Any, notice: dict[str, Any]) -> dict[str, int]:
    """Post a notice to the webhook of the settings.

    Raises: DeliveryFailed to be tried again; PermanentError for what will not change.
    """
    chosen = options()
    if not chosen.webhook_url:
        raise Discard("the webhook was taken out of the settings")
    body = json.dumps(notice, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "QueueHub",
        **signed_headers(context.job_id, int(time.time()), body, chosen.webhook_secret),
    }
    answer = post(chosen.webhook_url, body, headers, allowed_hosts=chosen.allowed_hosts)
    if 200 <= answer.status < 300:
        return {"status": answer.status}
    if 300 <= answer.status < 400:
        raise PermanentError(f"the webhook answered {answer.status}; redirects are not followed")
    said = f"the webhook answered {answer.status}: {answer.text[:200]}"
    raise (DeliveryFailed if answer.status >= 500 or answer.status in WORTH_RETRYING else PermanentError)(said)


@task(takes_context=True, max_attempts=8, timeout_seconds=60, retry=POLICY)
def send_email(context: Any, notice: dict[str, Any]) -> dict[str, int]:
    """Send a notice by Django's mail to the addresses of the settings."""
    chosen = options()
    if not chosen.emails:
        raise Discard("the addresses were taken out of the settings")
    place = f" {notice['environment']}" if notice["environment"] else ""
    message = EmailMessage(
        subject=f"[QueueHub{place}] {notice['title']}"[:200],
        body=_body(notice),
        to=list(chosen.emails),
        headers={"Auto-Submitted": "auto-generated", "X-QueueHub-Delivery": context.job_id},
        connection=get_connection(timeout=getattr(settings, "EMAIL_TIMEOUT", None) or SMTP_SECONDS),
    )
    return {"sent": message.send()}


def _body(notice: dict[str, Any]) -> str:
    since = f" since {notice['told_before_at']}, when we wrote last" if notice["told_before_at"] else ""
    times = f"{notice['count']} time(s){since}; from {notice['first_at']} to {notice['last_at']}."
    lines = [notice["title"], "", times]
    if notice["url"]:
        lines += ["", notice["url"]]
    lines.append("")
    for name, value in notice["details"].items():
        text = value if isinstance(value, str) else json.dumps(value)
        if text and name != "title":
            lines.append(f"{name.replace('_', ' ')}: {one_line(text)}")  # or a message could forge the lines below
    return "\n".join(lines) + "\n"
