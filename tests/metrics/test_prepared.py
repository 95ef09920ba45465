"""What takes long is read ahead of the scrapes; what does not is read in them."""

from itertools import count

import pytest
from django.db import OperationalError

from dashboards.metrics import prepared
from dashboards.metrics.prepared import Prepared
from tests.support import eventually

pytestmark = pytest.mark.fast


def test_a_small_answer_is_asked_for_each_time() -> None:
    numbers = count()
    asked = Prepared(lambda: next(numbers), lambda _: False, 10)
    assert [asked.ask() for _ in range(3)] == [(0, True), (1, True), (2, True)]


def test_a_large_answer_is_renewed_while_somebody_asks_and_given_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "SHORTEST_SECONDS", 0.01)
    numbers = count()
    asked = Prepared(lambda: next(numbers), lambda _: True, 10)
    assert asked.ask() == (0, True)
    eventually(lambda: asked.ask()[0] >= 3)
    assert asked.ask()[1] is False
    monkeypatch.setattr(prepared, "WANTED_SECONDS", 0.0)
    eventually(lambda: asked._thread is None)
    last = next(numbers)
    assert asked.ask() == (last + 1, True), "what was prepared for nobody is not given"
    eventually(lambda: asked._thread is None)


def test_a_question_that_fails_has_no_answer_and_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    numbers = count(-1)
    asked = Prepared(lambda: 1 // next(numbers), lambda _: False, 10)
    assert [asked.ask() for _ in range(3)] == [(-1, True), (None, True), (1, True)]
    assert [(record.levelname, "no figures for /metrics" in record.message) for record in caplog.records] == [
        ("WARNING", True)
    ]


def test_a_ledger_that_is_away_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise OperationalError("no route to host")

    assert Prepared(fail, lambda _: False, 10).ask() == (None, True)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
