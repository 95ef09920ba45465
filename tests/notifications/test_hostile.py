"""What a task raises, and whoever writes rows, can put words into a notice, but no line and no control character."""

from typing import Any

import pytest
from django.core import mail

from jobs.notifications import gathering, notices
from jobs.testing import run_jobs
from tests.notifications.failing import fail

pytestmark = pytest.mark.django_db


def test_no_message_forges_a_line_of_a_mail(notify: Any) -> None:
    notify(emails=["ops@example.com"])
    fail("no luck\n\nhttps://evil.example/\njob id: forged\x1b[2J\u202e")
    gathering.gather()
    assert notices.send_due() == 1
    run_jobs()
    (sent,) = mail.outbox
    (line,) = [line for line in sent.body.splitlines() if "no luck" in line and line.startswith("message:")]
    assert "job id: forged\\x1b[2J\\u202e" in line
    assert "\x1b" not in sent.body + sent.subject
    assert len([line for line in sent.body.splitlines() if line.startswith("job id:")]) == 1
