"""Failures that are the same have one name, and others have another."""

import sysconfig
import traceback
from typing import Any

import pytest

from jobs.fingerprints import fingerprint_of, frame_of, normalised

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("message", "shape"),
    [
        ("order 4711 of customer 12 failed after 3.5 s", "order <n> of customer <n> failed after <n> s"),
        ("no row 0190f3c4-1d2e-7abc-8def-0123456789ab", "no row <uuid>"),
        ("no row 0190f3c41d2e7abc8def0123456789ab", "no row <uuid>"),
        ("KeyError: 'colour' in \"shirt\"", "KeyError: <value> in <value>"),
        ("<Order object at 0x7f3a2b4c5d6e> is closed", "<Order object at <n>> is closed"),
        ("commit deadbeef12345678 is unknown", "commit <n> is unknown"),
        ("cannot open /srv/shop/media/a-1.png now", "cannot open <path> now"),
        ("GET https://api.shop.test/v1/pay?id=3 failed", "GET <url> failed"),
        ("it took -12,5 and 10:30", "it took <n> and <n>"),
        ("two\n  lines", "two lines"),
        ("request req_00000007 and cus_NffrFeUfNV2Hib", "request req_<n> and cus_<n>"),
        ("7 of 10000000, in 12ms, by v2 of utf-8", "<n> of <n>, in <n>ms, by v2 of utf-<n>"),
        ("decade and facade stay words", "decade and facade stay words"),
    ],
)
def test_what_differs_from_run_to_run_is_left_out(message: str, shape: str) -> None:
    assert normalised(message) == shape


@pytest.mark.lingers
def test_a_hostile_message_takes_linear_time_and_little_room() -> None:
    for bait in ("'", '"', "/a", "0x", "a" * 20 + " ", "1.", "-", "http://", "\n"):
        assert len(normalised(bait * 20_000)) <= 500


def test_class_message_and_place_make_the_name() -> None:
    name = fingerprint_of("ValueError", "order 1 is closed", "shop/pay.py: charge")
    assert name == fingerprint_of("ValueError", "order 2 is closed", "shop/pay.py: charge")
    assert len(name) == 16
    others = {
        fingerprint_of("TypeError", "order 1 is closed", "shop/pay.py: charge"),
        fingerprint_of("ValueError", "order 1 is open", "shop/pay.py: charge"),
        fingerprint_of("ValueError", "order 1 is closed", "shop/pay.py: refund"),
    }
    assert len(others | {name}) == 4


def raised(function: Any) -> str:
    try:
        function()
    except Exception:
        return traceback.format_exc()
    raise AssertionError("it did not raise")


def through_a_library() -> None:
    import json

    json.loads("{")


def chained() -> None:
    try:
        through_a_library()
    except ValueError as error:
        raise RuntimeError("bad answer") from error


def grouped() -> None:
    raise ExceptionGroup("several", [ValueError("one")])


def test_the_place_is_the_innermost_frame_of_the_application() -> None:
    here = "tests/operations/test_fingerprints.py"
    assert frame_of(raised(through_a_library)) == f"{here}: through_a_library"
    assert frame_of(raised(chained)) == f"{here}: chained"
    assert frame_of(raised(grouped)) == f"{here}: grouped"


@pytest.mark.parametrize(
    ("path", "frame"),
    [
        ("/usr/lib/python3/dist-packages/django/db/models/query.py", ""),
        ("/opt/shop/.venv/lib/python3.12/site-packages/requests/api.py", ""),
        (f"{sysconfig.get_path('stdlib')}/json/decoder.py", ""),
        ("<frozen importlib._bootstrap>", ""),
        ("<string>", ""),
        ("/opt/elsewhere/shop/billing/charge.py", "shop/billing/charge.py: pay"),
    ],
)
def test_only_files_of_the_application_count(path: str, frame: str) -> None:
    text = f'Traceback (most recent call last):\n  File "{path}", line 3, in pay\n    x()\nValueError: x\n'
    assert frame_of(text) == frame


def test_a_text_without_a_traceback_has_no_place() -> None:
    assert frame_of("") == frame_of("the worker fell silent") == ""
