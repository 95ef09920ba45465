"""Arguments are strict JSON that fits the signature: everything else is refused by name, before anything is written."""

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from hypothesis import given
from hypothesis import strategies as st

from jobs.definition import check_payload
from jobs.errors import InvalidJob
from jobs.models import Job
from jobs.strict_json import MAX_DEPTH, bounded, compact
from tests.engine import tasks

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@given(st.lists(values, max_size=4), st.dictionaries(texts, values, max_size=4))
def test_any_json_goes_through_unchanged(args: list[Any], kwargs: dict[str, Any]) -> None:
    assert check_payload(args, kwargs) == (args, kwargs)


def test_tuples_become_lists() -> None:
    assert check_payload((1, (2, 3)), {"t": ()}) == ([1, [2, 3]], {"t": []})


@pytest.mark.parametrize(
    ("value", "where", "said"),
    [
        (float("nan"), "args[0]", "nan is not JSON"),
        (float("-inf"), "args[0]", "-inf is not JSON"),
        ("a\x00b", "args[0]", "NUL"),
        ("\ud800", "args[0]", "surrogate"),
        ({"x\x00": 1}, "args[0]", "NUL"),
        ({"\udfff": 1}, "args[0]", "surrogate"),
        ({1: 2}, "args[0]", "the key 1 is not a text"),
        ({"a": {"b": [0, {"c": b"x"}]}}, "args[0].a.b[1].c", "a bytes is not JSON. Pass base64"),
        (datetime(2026, 1, 1, tzinfo=UTC), "args[0]", "Pass value.isoformat()"),
        (date(2026, 1, 1), "args[0]", "Pass value.isoformat()"),
        (Decimal("1.5"), "args[0]", "Pass str(value)"),
        (uuid.UUID(int=1), "args[0]", "Pass str(value)"),
        ({1, 2}, "args[0]", "Pass sorted(value)"),
        (Group(id=5), "args[0]", "Pass value.pk"),
        (object(), "args[0]", "a object is not JSON"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place_and_a_remedy(value: Any, where: str, said: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        check_payload([value], {})
    assert caught.value.field == where
    assert said in str(caught.value)


def test_a_number_of_more_digits_than_python_reads_back_is_refused() -> None:
    with pytest.raises(InvalidJob, match="digits"):
        check_payload([10**5000], {})


def test_a_fault_in_a_keyword_argument_is_named() -> None:
    with pytest.raises(InvalidJob, match=r"^kwargs\.to\[2\]: a set is not JSON"):
        check_payload([], {"to": [1, 2, set()]})


def test_sixty_four_levels_are_allowed_and_no_more() -> None:
    # the list of arguments is the first level
    check_payload([nested(MAX_DEPTH - 1)], {})
    with pytest.raises(InvalidJob, match="deeper than 64"):
        check_payload([nested(MAX_DEPTH)], {})
    with pytest.raises(InvalidJob, match="deeper than 64"):
        check_payload([], {"x": nested(100_000)})


def test_the_limit_counts_bytes_not_characters(configure: Any) -> None:
    configure(MAX_PAYLOAD_BYTES=100)
    check_payload(["x" * 94], {})
    with pytest.raises(InvalidJob, match="over the limit of 100"):
        check_payload(["x" * 95], {})
    with pytest.raises(InvalidJob, match="takes 102 bytes"):
        check_payload(["ü" * 49], {})
    with pytest.raises(InvalidJob, match="over the limit"):
        check_payload(["x" * 50], {"y": "z" * 50})


@given(values)
def test_no_json_is_longer_than_its_bound(value: Any) -> None:
    made, most_bytes = bounded("args", value, 100_000)
    assert len(compact(made).encode()) <= most_bytes


@pytest.mark.fast
@pytest.mark.parametrize(
    "value", ["\x01" * 500, "\U0001f600" * 500, [-(10**59)] * 50, [-1.7976931348623157e308] * 50, [[]] * 50, {"": {}}]
)
def test_not_even_the_longest_forms_exceed_their_bound(value: Any) -> None:
    made, most_bytes = bounded("args", value, 100_000)
    assert len(compact(made).encode()) <= most_bytes


@pytest.mark.parametrize("args", ["abc", {"a": 1}, None, 5, {1}])
def test_positional_arguments_are_a_list(args: Any) -> None:
    with pytest.raises(InvalidJob, match=r"^args: is of type .* Pass a list"):
        check_payload(args, {})


@pytest.mark.parametrize("kwargs", ["abc", [1], None, [("a", 1)]])
def test_keyword_arguments_are_a_dict(kwargs: Any) -> None:
    with pytest.raises(InvalidJob, match=r"^kwargs: is of type .* Pass a dict"):
        check_payload([], kwargs)


# -- binding ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("args", "kwargs", "said"),
    [
        ([], {}, "missing a required argument: 'to'"),
        (["a", "b"], {}, "too many positional arguments"),
        (["a"], {"to": "b"}, "multiple values for argument 'to'"),
        (["a"], {"colour": "red"}, "unexpected keyword argument 'colour'"),
    ],
)
def test_arguments_must_fit_the_signature(args: list[Any], kwargs: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidJob, match=rf"^args: tests\.engine\.tasks\.letter: .*{said}"):
        tasks.letter.bind(args, kwargs)


def test_what_once_fitted_says_nothing_about_other_arguments() -> None:
    tasks.letter.bind(["a"], {"subject": "b"})
    tasks.letter.bind([], {"to": "a"})
    refused: list[tuple[list[str], dict[str, str]]] = [
        ([], {"subject": "b"}), (["a", "b"], {}), (["a"], {"to": "b"}), (["a"], {"subject": "b", "colour": "red"}),
    ]  # fmt: skip
    for args, kwargs in refused:
        with pytest.raises(InvalidJob):
            tasks.letter.bind(args, kwargs)


def test_the_context_is_not_an_argument() -> None:
    tasks.report.bind([], {"word": "x"})
    with pytest.raises(InvalidJob, match="too many"):
        tasks.report.bind(["context", "word"], {})


@pytest.mark.parametrize(
    "call",
    [
        lambda: tasks.letter.enqueue(),
        lambda: Job.objects.enqueue(tasks.letter, subject="x"),
        lambda: Job.objects.enqueue_many(tasks.letter, [("a",), ("a", "b")]),
        lambda: Job.objects.create(task="tests.engine.tasks.letter", args=[1, 2]),
        lambda: Job.objects.bulk_create([Job(task="tests.engine.tasks.letter", args=["a"]), Job(task="os.system")]),
        lambda: tasks.add.enqueue(float("nan")),
        lambda: Job.objects.enqueue_many(tasks.add, [(1,), (object(),)]),
        lambda: Job.objects.create(task="tests.engine.tasks.add", args=["\x00"]),
        lambda: Job.objects.create(task="tests.engine.tasks.add", kwargs=[1]),
        lambda: Job.objects.enqueue_many(tasks.add, ["ab"]),
    ],
)
def test_a_refused_enqueue_leaves_no_trace(db: None, transport: Any, call: Any) -> None:
    with pytest.raises(InvalidJob):
        call()
    assert not Job.objects.exists()
    assert transport.queue_names() == set()


def test_the_size_limit_holds_at_the_front_door(db: None) -> None:
    with pytest.raises(InvalidJob, match="262,144"):
        Job.objects.enqueue(tasks.give, "x" * 300_000)
    assert Job.objects.enqueue(tasks.give, "x" * 200_000).state == "queued"
