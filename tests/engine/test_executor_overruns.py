"""Coroutines that overrun their limit; each takes the second that is the shortest limit."""

import pytest

from jobs import lifecycle
from jobs.models import Attempt
from tests.engine import tasks
from tests.engine.runs import executed, finished

pytestmark = pytest.mark.django_db


def test_a_coroutine_that_overruns_is_a_timeout() -> None:
    run = executed(tasks.overrun_async)
    lifecycle.settle([run])
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.exception_class) == ("timeout", "jobs.errors.TaskTimeout")
    assert 0.9 < attempt.duration_seconds < 3
    assert "await asyncio.sleep(60)" in attempt.traceback


def test_a_rule_for_timeouts_holds_for_coroutines() -> None:
    assert finished(tasks.wait_async_or_die.using(timeout_seconds=1)).state == "dead"
