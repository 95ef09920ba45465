"""Hostile arguments, names and notes: refused with a clear error in bounded time, and nothing is written."""

import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

import pytest

from jobs.definition import check_payload
from jobs.errors import InvalidJob
from jobs.lifecycle import operate
from jobs.models import Job
from tests.engine import tasks
from tests.engine.conftest import transport
from tests.factories import make_job

__all__ = ["transport"]

pytestmark = [pytest.mark.security, pytest.mark.django_db]

MEGABYTE = 1024 * 1024


class EvilText(str):
    """Says that it is harmless."""

    def __contains__(self, part: object) -> bool:
        return False

    def isascii(self) -> bool:
        return True

    def __len__(self) -> int:
        return 1

    def isprintable(self) -> bool:
        return True

    def encode(self, *args: Any, **options: Any) -> bytes:
        return b""


class EvilList(list[Any]):
    """Shows another list each time, without end."""

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield "harmless"


class EvilDict(dict[str, Any]):
    """Shows no item to whoever looks."""

    def items(self) -> Any:
        raise RuntimeError("called a method of an argument")

    __iter__ = keys = values = items  # type: ignore[assignment]


class EvilRepr:
    """Cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Liar:
    """Says that it is a text."""

    __class__ = str  # type: ignore[assignment]


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def nested_under_long_keys() -> Any:
    value: Any = object()
    for _ in range(60):
        value = {"k" * 4000: value}
    return value


def laughs() -> Any:
    """Return a value that is small in memory and larger than the world as JSON."""
    value: Any = ["ha"] * 10
    for _ in range(50):
        value = [value] * 10
    return value


HOSTILE: dict[str, Callable[[], Any]] = {
    "depth 100,000": lambda: nested(100_000),
    "NaN": lambda: float("nan"),
    "Infinity": lambda: [float("inf")],
    "NUL": lambda: "a\x00b",
    "NUL in a key": lambda: {"\x00": 1},
    "lone surrogate": lambda: "\ud800",
    "a number of 10,000 digits": lambda: 10**9_999,
    "a key that is a number of 10,000 digits": lambda: {10**9_999: 1},
    "a key that cannot be shown": lambda: {EvilRepr(): 1},
    "keys that are not texts": lambda: {1: 2},
    "the same key twice": lambda: {"a": 1, type("Other", (str,), {"__hash__": lambda self: 5})("a"): 2},
    "a text that hides NUL": lambda: EvilText("\x00"),
    "a list that hides NaN": lambda: EvilList([float("nan")]),
    "a dict that hides NaN": lambda: EvilDict(x=float("nan")),
    "a mapping that is no dict": lambda: MappingProxyType({"a": 1}),
    "an object that lies about its class": Liar,
    "an object that cannot be shown": EvilRepr,
    "long keys above a fault": nested_under_long_keys,
    "a billion laughs": laughs,
    "50 MB of text": lambda: "x" * 50 * MEGABYTE,
    "50 MB of numbers": lambda: [0] * 25 * MEGABYTE,
    "50 MB of keys": lambda: {f"{number:050}": 0 for number in range(200_000)},
    "itself": lambda: _circle(),
}


def _circle() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_arguments_are_refused_quickly_and_leave_nothing(name: str, transport: Any) -> None:
    value = HOSTILE[name]()
    begun = time.monotonic()
    tracemalloc.start()
    try:
        for call in (
            lambda: Job.objects.enqueue(tasks.give, value),
            lambda: Job.objects.enqueue(tasks.give, value=value),
            lambda: Job.objects.enqueue_many(tasks.give, [("fine",), (value,)]),
            lambda: Job.objects.create(task="tests.engine.tasks.give", kwargs={"value": value}),
        ):
            with pytest.raises(InvalidJob) as caught:
                call()
            assert len(str(caught.value)) < 20_000
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.monotonic() - begun < 20
    assert peak_bytes < 120 * MEGABYTE
    assert not Job.objects.exists()
    assert transport.queue_names() == set()


SMALL = [name for name in HOSTILE if not name.startswith("50 MB")]


@pytest.mark.parametrize("name", SMALL)
def test_hostile_notes_are_refused(name: str) -> None:
    with pytest.raises(InvalidJob):
        Job.objects.create(task="tests.engine.tasks.add", meta={"x": HOSTILE[name]()})
    with pytest.raises(InvalidJob):
        Job.objects.create(task="tests.engine.tasks.add", tags=[HOSTILE[name]()])
    assert not Job.objects.exists()


@pytest.mark.parametrize("name", SMALL)
def test_an_edit_is_checked_like_an_enqueue(name: str) -> None:
    job = make_job("dead", task="tests.engine.tasks.give", args=[1])
    with pytest.raises(InvalidJob):
        operate.revive([job.id], actor="test", args=[HOSTILE[name]()])
    assert Job.objects.get(id=job.id).state == "dead"


class Colour(StrEnum):
    RED = "red"


class Number(IntEnum):
    SEVEN = 7


def test_what_a_subclass_holds_is_stored_and_none_of_its_methods_is_called() -> None:
    args = [Colour.RED, Number.SEVEN, EvilText("shown"), EvilList([1]), EvilDict(a=(1,)), type("F", (float,), {})(1.5)]
    made = check_payload(args, EvilDict(value=1))
    assert made == (["red", 7, "shown", [1], {"a": [1]}, 1.5], {"value": 1})
    assert {type(item) for item in made[0]} == {str, int, list, dict, float}
    job = Job.objects.enqueue(tasks.give, args)
    job.refresh_from_db()
    assert job.args == [made[0]]


def test_what_was_checked_is_what_is_stored() -> None:
    args: list[Any] = [1]
    job = Job(task="tests.engine.tasks.give", args=args)
    job.save()
    args[0] = float("nan")
    assert job.args == [1]


# -- names and plain columns -------------------------------------------------------------------------------------
NAMES: list[Any] = [
    "", " ", "a b", "a/b", "a\n", "a\x00", "../../etc/passwd", "x" * 129, "ä", "\ud800", "a;DROP TABLE jobs_job", "{}",
    "%s", "a\x1b[31m", "rq:queue:x", "*", None, 5, 10**5000, b"mail", ["mail"], EvilRepr(), EvilText("a b"), Liar(),
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=lambda name: f"{type(name).__name__}")
def test_odd_names_of_queues_tasks_and_tags_are_refused(name: Any) -> None:
    for columns in ({"queue": name}, {"task": name}, {"tags": [name]}):
        with pytest.raises(InvalidJob) as caught:
            Job.objects.create(**{"task": "tests.engine.tasks.add", **columns})
        assert len(str(caught.value)) < 1000
    with pytest.raises(InvalidJob):
        tasks.add.using(queue_name=name or "")
    with pytest.raises(InvalidJob):
        operate.pause_queue(name, actor="test")
    assert not Job.objects.exists()


COLUMNS: list[dict[str, Any]] = [
    {"priority": 10**5000},
    {"priority": True},
    {"priority": float("nan")},
    {"priority": type("Evil", (int,), {"__ge__": lambda *_: True, "__le__": lambda *_: True})(10**6)},
    {"max_attempts": 0},
    {"timeout_seconds": -1},
    {"timeout_seconds": EvilRepr()},
    {"unique_key": EvilText("\x00")},
    {"unique_key": EvilText("x" * 300)},
    {"unique_key": "a\nb"},
    {"correlation_id": "\x1b[2J"},
    {"subject": "x" * 256},
    {"tenant": "\u202eevil"},
    {"trace": ["x"]},
    {"due_at": "now"},
    {"due_at": datetime(2030, 1, 1)},  # noqa: DTZ001 - a time without a zone is the point
    {"due_at": datetime.max.replace(tzinfo=timezone(-timedelta(hours=12)))},
    {"expires_at": datetime.min.replace(tzinfo=timezone(timedelta(hours=12)))},
    {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)},
    {"state": "succeeded"},
    {"state": []},
    {"claim": 5},
    {"result": {"forged": True}},
    {"payload_format": "pickle"},
    {"attempt": -1},
    {"id": "../../x"},
    {"id": 10**5000},
    {"meta": "x"},
    {"meta": {"x": "y" * 20_000}},
    {"tags": ["t"] * 20_000},
]


@pytest.mark.parametrize("columns", COLUMNS, ids=lambda columns: next(iter(columns)))
def test_odd_columns_are_refused(columns: dict[str, Any]) -> None:
    with pytest.raises(InvalidJob):
        Job.objects.create(task="tests.engine.tasks.add", **columns)
    assert not Job.objects.exists()
