"""Lines for machines: whatever is logged is one object of JSON that any parser reads, without secrets."""

import json
import logging
from typing import Any
from uuid import uuid4

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import log_context
from jobs.log_lines import MOST_FIELDS, JsonFormatter, LineFormatter
from jobs.runs import Run
from tests.security.tasks import ERRORS

pytestmark = pytest.mark.fast

JSON = JsonFormatter()
LINE = LineFormatter("{levelname} {name} {message}", style="{")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=20) | st.uuids(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def record(message: Any, *args: Any, error: BaseException | None = None, **extra: Any) -> logging.LogRecord:
    """Return a record as `logger.warning(message, *args, extra=extra)` makes it."""
    exc_info = (type(error), error, error.__traceback__) if error is not None else None
    return logging.getLogger("app").makeRecord(
        "app", logging.WARNING, "x.py", 1, message, args, exc_info, extra=extra, sinfo=None
    )


def parsed(text: str) -> dict[str, Any]:
    """Read a line as strictly as can be: one line, no control character, no number beyond JSON's."""
    assert text.splitlines() == [text]
    assert text.isprintable() or not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in text)
    text.encode()

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is no JSON")

    found: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return found


def made_run(**values: Any) -> Run:
    """Return a run as a claim makes it."""
    return Run(
        job_id=uuid4(), task="app.tasks.x", queue="mail", claim=1, worker="w-1", number=2, failure_count=1,
        loss_count=0, max_attempts=None, timeout_seconds=None, created_seconds=0.0, due_seconds=0.0, clock_seconds=0.0,
        **values,
    )  # fmt: skip


def test_a_line_says_when_where_and_what() -> None:
    made = record("hello %s", "Grüße 🙂", size=3, ratio=0.5, parts=["a", {"b": None}])
    made.created = 1700000000.123
    assert parsed(JSON.format(made)) == {
        "timestamp": "2023-11-14T22:13:20.123+00:00", "level": "WARNING", "logger": "app", "message": "hello Grüße 🙂",
        "size": 3, "ratio": 0.5, "parts": ["a", {"b": None}],
    }  # fmt: skip


@pytest.mark.lingers
@hypothesis.settings(max_examples=100)
@given(st.text(), st.dictionaries(st.text(), VALUES, max_size=5))
def test_whatever_is_logged_is_one_line_of_json(message: str, values: dict[str, Any]) -> None:
    parsed(JSON.format(record("%s", message, error=OSError(message), values=values)))


@pytest.mark.lingers
@pytest.mark.parametrize("kind", list(ERRORS))
def test_no_exception_breaks_the_line(kind: str) -> None:
    error = ERRORS[kind]()
    assert parsed(JSON.format(record("it failed", error=error)))["exception"]
    assert "message" in parsed(JSON.format(record("%s", error)))
    assert "what" in parsed(JSON.format(record("x", what=error)))


def test_a_message_that_cannot_be_formatted_leaves_a_line() -> None:
    assert parsed(JSON.format(record("%d", "x")))["message"] == "a message that cannot be formatted: TypeError"


def test_what_forges_lines_or_paints_terminals_is_escaped() -> None:
    text = JSON.format(record("a\n2026 CRITICAL b \x1b[31m \u2028 \u202e \x9b \ud800"))
    assert "\\n2026 CRITICAL b \\u001b[31m \\u2028 \\u202e \\u009b ?" in text
    assert parsed(text)["message"] == "a\n2026 CRITICAL b \x1b[31m \u2028 \u202e \x9b ?"


def test_secrets_become_stars_wherever_they_are() -> None:
    error = ValueError("password=S3cr3t!")
    made = record(
        "redis://:S3cr3t!@cache", error=error, password="S3cr3t!", url="postgres://u:S3cr3t!@db",
        headers={"Authorization": "S3cr3t!", "Cookie": ["S3cr3t!"]}, parts=["token=S3cr3t!"], api_key=b"S3cr3t!",
    )  # fmt: skip
    text = JSON.format(made)
    assert "S3cr3t!" not in text
    found = parsed(text)
    assert found["password"] == found["headers"]["Authorization"] == found["headers"]["Cookie"] == "***"


def test_a_line_has_bounds() -> None:
    deep: Any = "end"
    for _ in range(200):
        deep = [deep]
    text = JSON.format(
        record("x" * 10_000_000, big="y" * 1_000_000, deep=deep, huge=10**400, many=dict.fromkeys(range(10_000), 1))
    )
    assert len(text) < 64 * 1024
    found = parsed(text)
    assert len(found["many"]) == MOST_FIELDS
    assert isinstance(found["huge"], str)


# -- the run in whose context something is logged ------------------------------------------------------------------
def test_a_line_of_a_task_names_its_job_in_both_forms() -> None:
    run = made_run(trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    log_context.bind(run)
    try:
        found, line = parsed(JSON.format(record("hello"))), LINE.format(record("hello"))
    finally:
        log_context.bind(None)
    assert found["job"] == str(run.job_id)
    assert (found["task"], found["queue"], found["attempt"], found["worker"]) == ("app.tasks.x", "mail", 2, "w-1")
    assert found["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert line.startswith(f"WARNING app hello [job={run.job_id} task=app.tasks.x queue=mail attempt=2 worker=w-1")
    assert LINE.format(record("bye")) == "WARNING app bye"
    assert "job" not in parsed(JSON.format(record("bye")))


def test_what_a_caller_says_of_another_job_is_not_mixed_with_the_present_one() -> None:
    log_context.bind(made_run())
    try:
        about_another = parsed(JSON.format(record("x", job="other")))
        with_a_queue = parsed(JSON.format(record("x", queue="mine")))
    finally:
        log_context.bind(None)
    assert about_another["job"] == "other"
    assert "attempt" not in about_another
    assert with_a_queue["queue"] == "mine"
    assert with_a_queue["attempt"] == 2


def test_the_filter_serves_formatters_of_other_packages() -> None:
    made = record("hello")
    log_context.bind(made_run())
    try:
        assert log_context.JobFilter().filter(made)
    finally:
        log_context.bind(None)
    assert logging.Formatter("%(task)s %(attempt)d %(message)s").format(made) == "app.tasks.x 2 hello"


def test_a_text_that_is_no_traceparent_names_no_trace() -> None:
    for text in ("", "my-own-id", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "00-" + "0" * 200):
        assert log_context.trace_id_of(text) == ""
