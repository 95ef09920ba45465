"""Log lines: one escaped line per event, whatever is in it, and no secret."""

import logging
import logging.config
import subprocess
import sys
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import masking
from jobs.log_lines import LineFormatter, one_line
from jobs.masking import mask
from jobs.tracebacks import clean, message_of, traceback_of
from tests.security import tasks
from tests.support import PROJECT

pytestmark = [pytest.mark.security]

LINE = LineFormatter("{levelname} {name} {message}", style="{")


def line(message: Any, *args: Any, error: BaseException | None = None) -> str:
    """Return what stands in the log."""
    exc_info = (type(error), error, error.__traceback__) if error is not None else None
    return LINE.format(logging.LogRecord("jobs.x", logging.WARNING, "x.py", 1, message, args, exc_info))


@pytest.mark.fast
@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a\n2026-01-01 CRITICAL jobs forged", "a\\n2026-01-01 CRITICAL jobs forged"),
        ("a\r\nb", "a\\r\\nb"),
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("a\x00b\x08\x7f\x9b31m", "a\ufffdb\\x08\\x7f\\u009b31m"),
        ("\u2028\u2029\u0085", "\\u2028\\u2029\\u0085"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud800", "?"),
        ("Grüße 你好 🙂", "Grüße 你好 🙂"),
    ],
)
def test_what_could_forge_a_line_is_escaped(hostile: str, shown: str) -> None:
    assert line("worker %s died", hostile) == f"WARNING jobs.x worker {shown} died"
    assert one_line(line("%s", "x", error=ValueError(hostile))).count("\n") == 0


@hypothesis.settings(max_examples=50)
@given(st.text(), st.text())
def test_any_message_is_one_printable_line(message: str, argument: str) -> None:
    for said in (line("%s", message), line(message, argument), line(message.replace("%", ""), error=OSError(argument))):
        assert said.splitlines() == [said]
        assert "\x1b" not in said
        said.encode()


@pytest.mark.parametrize("kind", list(tasks.ERRORS))
def test_no_exception_breaks_the_log(kind: str) -> None:
    error = tasks.ERRORS[kind]()
    said = line("it failed: %s", kind, error=error)
    assert said.startswith("WARNING jobs.x it failed: ")
    assert said.splitlines() == [said]
    assert len(said) < 256 * 1024
    assert line("%s", error).splitlines() != []


@pytest.mark.fast
def test_a_message_of_megabytes_is_cut() -> None:
    said = line("%s", "x" * 20_000_000)
    assert len(said) < 64 * 1024
    assert "[cut]" in said


def test_the_project_logs_this_way() -> None:
    script = (
        "import django, logging, sys; django.setup();"
        "logging.getLogger('anything').error('one\\n2026 CRITICAL two \\x1b[31m %s', 'redis://:hunter2@host/0')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"DJANGO_SETTINGS_MODULE": "queuehub.settings", "PATH": "/usr/bin"},
        cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stderr.splitlines() == [done.stderr.rstrip("\n")]
    assert done.stderr.rstrip().endswith("ERROR anything one\\n2026 CRITICAL two \\x1b[31m redis://:***@host/0")


# -- secrets -----------------------------------------------------------------------------------------------------
@pytest.mark.fast
@pytest.mark.parametrize(
    "text",
    [
        "Error 111 connecting to redis://:S3cr3t!@cache:6379/0",
        "redis://default:S3cr3t!@cache:6379",
        "rediss://u%20x:S3cr3t!@h",
        'connection to "postgresql://app:S3cr3t!@db/app?sslmode=require" failed',
        "amqp://guest:S3cr3t!@localhost//",
        "could not connect: password=S3cr3t! host=db",
        "host=db user=app password='S3cr3t!' dbname=app",
        "{'password': 'S3cr3t!', 'user': 'app'}",
        '{"api_key": "S3cr3t!"}',
        "DB_PASSWORD=S3cr3t!",
        "Authorization: Bearer S3cr3t!",
        "authorization: Basic S3cr3t!",
        "Cookie: sessionid=S3cr3t!",
        "client_secret => S3cr3t!",
        "access-key: S3cr3t!",
        "https://example.org/?token=S3cr3t!&x=1",
        "TOKEN_FOR_X = S3cr3t!",
        "passphrase:S3cr3t!",
    ],
)
def test_secrets_of_known_forms_become_stars(text: str) -> None:
    error = ConnectionError(text)
    for said in (mask(text), line("%s", text), message_of(error), traceback_of(error, 65_536), line("x", error=error)):
        assert "S3cr3t!" not in said
        assert "***" in said


@pytest.mark.fast
@pytest.mark.parametrize(
    "text", ["no secret here", "http://example.org:80/a@b", "the token is missing", "a == b", "passwords are long", ""]
)
def test_other_texts_stay(text: str) -> None:
    assert mask(text) == text


@pytest.mark.fast
def test_secrets_of_the_environment_and_the_settings_become_stars_wherever_they_are(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARTNER_API_KEY", "kx-9931-aa")
    monkeypatch.setenv("CACHE_URL", "redis://:p/a@ss-word@cache")
    monkeypatch.setenv("PASSWORD_MODE", "x")
    settings.SECRET_KEY = "the-key-of-this-site"
    settings.RQ_QUEUES = {**settings.RQ_QUEUES, "other": {"PASSWORD": "db-pass-77", "HOST": "other"}}
    settings.QUEUEHUB = {**settings.QUEUEHUB, "METRICS_TOKEN": "scrape-me-not"}
    masking._known_values.cache_clear()
    try:
        text = mask("kx-9931-aa the-key-of-this-site db-pass-77 scrape-me-not x other")
        assert text == "*** *** *** *** x other"
        assert "db-pass-77" not in line("could not log in with %r", "db-pass-77")
        assert "db-pass-77" not in message_of(KeyError("db-pass-77"))
    finally:
        masking._known_values.cache_clear()


@pytest.mark.fast
def test_code_in_tracebacks_stays_readable() -> None:
    try:
        password = token = "S3cr3t!".lower()
        raise ValueError(f"password={password} {token[:0]}")
    except ValueError as error:
        said = traceback_of(error, 65_536)
    assert 'raise ValueError(f"password={password}' in said
    assert said.splitlines()[-1].strip() == "ValueError: password=***"


@pytest.mark.fast
@given(st.text(), st.integers(min_value=60, max_value=5000))
def test_cleaned_text_is_storable_and_short(text: str, limit_bytes: int) -> None:
    said = clean(text * 50, limit_bytes)
    assert len(said.encode()) <= limit_bytes
    assert "\x00" not in said


@pytest.mark.parametrize("part", ["password", "password=", "://a:", "://a:b@", "token: '", 'secret="', "  ", "a@", ":"])
def test_masking_takes_linear_time(part: str) -> None:
    text = part * (200_000 // len(part))
    assert len(mask(text)) > 0  # the time limit of the test is the check
