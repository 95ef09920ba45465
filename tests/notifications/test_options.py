"""A mistake in the settings of notifications is said by `manage.py check` and harms nothing else."""

from typing import Any

import pytest

from jobs.notifications.options import Options, options, problems_of
from jobs.notifications.start import check_notifications

pytestmark = pytest.mark.fast
GOOD = {"webhook_url": "https://hooks.example/x", "webhook_secret": "0123456789abcdef"}


@pytest.mark.parametrize("raw", [{}, GOOD, {"emails": ["a@b"]}, {**GOOD, "emails": ("a@b",), "unserved_seconds": 0}])
def test_what_is_right_has_no_problem(raw: Any) -> None:
    assert problems_of(raw) == []


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (7, "a dict"), ({"webhook": "x"}, "no option"), ({7: 1}, "no option"), ({"emails": "a@b"}, "list"),
        ({"emails": [7]}, "list"), ({"emails": ["nobody"]}, "no address"), ({"emails": ["a@b\nBcc: c@d"]}, "list"),
        ({"interval_seconds": 0}, "at least 1"), ({"interval_seconds": -1}, "0 or more"),
        ({"interval_seconds": True}, "number"), ({"interval_seconds": 1e9}, "number"),
        ({"queue": "no queue"}, "queue"), ({"queue": "x-high"}, "queue"),
        ({**GOOD, "webhook_url": "ftp://x/"}, "http"), ({**GOOD, "webhook_url": "https://"}, "http"),
        ({**GOOD, "webhook_url": "https://a:b@x/"}, "without a user"),
        ({**GOOD, "webhook_url": "https://x:y/"}, "http"),
        ({**GOOD, "webhook_url": None}, "text"), ({**GOOD, "webhook_secret": "short"}, "16 characters"),
        ({"webhook_url": "https://x/"}, "webhook_secret"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_and_tells_nobody(raw: Any, word: str, settings: Any) -> None:
    settings.QUEUEHUB = {**settings.QUEUEHUB, "NOTIFICATIONS": raw}
    messages = check_notifications()
    assert messages
    assert word in " ".join(message.msg for message in messages)
    assert options() == Options()


def test_nothing_is_told_by_default() -> None:
    assert options().tasks == ()
    assert check_notifications() == []
