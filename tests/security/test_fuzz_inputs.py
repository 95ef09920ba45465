"""Any input at all: the front door, the settings, schedules and policies accept it or say clearly why not."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from jobs import conf
from jobs.checks import check_settings
from jobs.definition import check_payload
from jobs.errors import InvalidJob
from jobs.filters import StateIn
from jobs.models import Job, Schedule
from jobs.retry import Delays, Exponential, Fixed, Linear
from jobs.schedules import check_schedule
from jobs.states import JobState
from jobs.strict_json import plain
from jobs.timetable import check_timing, next_firing
from tests.engine import tasks
from tests.engine.conftest import transport

__all__ = ["transport"]

pytestmark = [pytest.mark.security, pytest.mark.timeout(400)]

in_a_transaction = hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
jsonable = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=15,
)
ODD_NUMBERS = [10**400, -(10**400), 10**4000, math.nan, math.inf, -math.inf, 5e-324]
numbers = st.integers() | st.floats() | st.sampled_from(ODD_NUMBERS)
anything = st.recursive(
    st.none() | st.booleans() | numbers | st.text() | st.binary(max_size=20) | st.datetimes() | st.just(object()),
    lambda inner: st.lists(inner, max_size=3)
    | st.tuples(inner)
    | st.sets(st.text(), max_size=2)
    | st.dictionaries(st.text() | st.integers() | st.none(), inner, max_size=3),
    max_leaves=10,
)


def is_json(value: Any) -> bool:
    """Tell by the standard library whether a value is JSON that a database stores, and comes back as it was."""
    try:
        text = json.dumps(value, allow_nan=False)
        text.encode()
        return "\\u0000" not in text and same(json.loads(text), value)
    except (TypeError, ValueError):
        return False


def same(one: Any, other: Any) -> bool:
    """Compare with types, so that True is not 1 and a tuple is a list."""
    if isinstance(other, dict):
        return isinstance(one, dict) and list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(other, list | tuple):
        return isinstance(one, list) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def alike(stored: Any, value: Any) -> bool:
    """Compare what the ledger gave back: PostgreSQL orders keys anew and writes 1e16 as a whole number."""
    if isinstance(value, dict):
        return stored.keys() == value.keys() and all(alike(stored[key], value[key]) for key in value)
    if isinstance(value, list | tuple):
        return len(stored) == len(value) and all(map(alike, stored, value))
    if isinstance(value, float):
        return isinstance(stored, float | int) and float(stored) == value
    return type(stored) is type(value) and stored == value


# -- the front door ----------------------------------------------------------------------------------------------
@pytest.mark.django_db
@in_a_transaction
@given(jsonable)
def test_any_json_comes_back_exactly_as_it_was(value: Any) -> None:
    job = Job.objects.enqueue(tasks.give, value)
    assert alike(Job.objects.get(id=job.id).args, [value])


@pytest.mark.django_db
@in_a_transaction
@given(anything)
def test_anything_is_enqueued_exactly_or_refused_without_a_trace(value: Any) -> None:
    before = Job.objects.count()
    try:
        made = check_payload([value], {})
    except InvalidJob:
        with pytest.raises(InvalidJob):
            Job.objects.enqueue(tasks.give, value)
        assert Job.objects.count() == before
    else:
        assert same(made[0][0], value)
        assert alike(Job.objects.get(id=Job.objects.enqueue(tasks.give, value).id).args, made[0])


@given(anything)
def test_what_is_accepted_is_json_and_what_is_json_is_accepted(value: Any) -> None:
    try:
        made = plain("args", value, 10_000)
    except InvalidJob:
        assert not is_json(value) or has_surrogates(value)
    else:
        assert json.loads(json.dumps(made)) == made


def has_surrogates(value: Any) -> bool:
    return "\\ud" in json.dumps(value, default=str).lower()


@given(anything)
def test_a_lenient_copy_is_always_storable(value: Any) -> None:
    try:
        made = plain("result", value, 10_000, is_lenient=True)
    except InvalidJob:
        return
    text = json.dumps(made, ensure_ascii=False, allow_nan=False)
    assert "\x00" not in text
    assert "\\u0000" not in text
    text.encode()


COLUMNS = [
    "queue", "priority", "max_attempts", "timeout_seconds", "unique_key", "tags", "meta", "correlation_id", "subject",
    "tenant", "expires_at", "due_at", "id", "state", "reason", "claim", "result", "progress", "trace", "enqueued_by",
]  # fmt: skip


@pytest.mark.django_db
@in_a_transaction
@given(st.dictionaries(st.sampled_from(COLUMNS), anything, min_size=1, max_size=3))
def test_any_columns_make_a_legal_row_or_none(columns: dict[str, Any]) -> None:
    before = Job.objects.count()
    try:
        job = Job.objects.create(task="tests.engine.tasks.add", **columns)
    except InvalidJob:
        assert Job.objects.count() == before
    else:
        assert Job.objects.get(id=job.id).state in {"queued", "scheduled"}


# -- filters -----------------------------------------------------------------------------------------------------
@pytest.mark.django_db
@in_a_transaction
@given(st.lists(st.text() | st.sampled_from(list(JobState)), min_size=1, max_size=4))
def test_a_filter_of_states_is_a_query_or_a_clear_error(states: list[str]) -> None:
    try:
        condition = StateIn(states)
    except ValueError as error:
        said = str(error)
    else:
        said = "is not a valid JobState" if Job.objects.filter(condition).count() == 0 else "found a job"
    assert "is not a valid JobState" in said


@pytest.mark.django_db
@in_a_transaction
@given(st.sampled_from(["q", "state", "queue", "task", "o", "p", "_facets", "id__regex"]), st.text(max_size=60))
@example("q", "a\x00b")
@example("queue", "\x00")
@example("task", "\ud800")
@example("q", "(" * 5000)
@example("p", "9" * 5000)
def test_any_filter_term_of_a_list_is_an_answer(admin_client: Any, name: str, term: str) -> None:
    try:
        term.encode()
    except UnicodeEncodeError:
        return  # no address can carry it
    answer = admin_client.get("/admin/jobs/job/", {name: term})
    assert answer.status_code in {200, 302, 400}


# -- settings ----------------------------------------------------------------------------------------------------
KEYS = st.sampled_from([name.upper() for name in conf.Settings.__dataclass_fields__]) | st.text() | st.integers()


@in_a_transaction
@given(raw=st.dictionaries(KEYS, anything, max_size=4) | anything)
@example(raw={"HEARTBEAT_SECONDS": math.nan})
@example(raw={"RECEIVE_WAIT_SECONDS": math.inf})
@example(raw={"TASK_MODULES": "a.b"})
@example(raw={"SCHEDULES": 5})
@example(raw={"NODE": "\udcff"})
def test_any_setting_is_read_or_refused_by_name(settings: Any, raw: Any) -> None:
    try:
        made = conf.read(raw)
    except ImproperlyConfigured:
        return
    for name in conf.Settings.__dataclass_fields__:
        value = getattr(made, name)
        assert not isinstance(value, float) or math.isfinite(value), name
    settings.QUEUEHUB = raw
    problems = [message.id for message in check_settings()]
    wrong = [key for key in ("SCHEDULES", "TRANSPORT_OPTIONS") if not isinstance(raw.get(key, {}), dict)]
    assert not wrong or "queuehub.E002" in problems


def test_numbers_that_cannot_be_shown_are_refused_by_name() -> None:
    for raw in ({"MAX_ATTEMPTS": 10**5000}, {10**5000: 1}, {"NODE": 10**5000}):
        with pytest.raises(ImproperlyConfigured):
            conf.read(raw)


# -- schedules and policies --------------------------------------------------------------------------------------
CRON_PARTS = st.sampled_from(
    ["*", "*/5", "0", "59", "60", "1-5", "5-1", "MON", "1,2", "*/0", "-1", "2#1", "\u00b2", "\u0663", "1/0", "9" * 11]
)
crons = st.lists(CRON_PARTS, max_size=6).map(" ".join) | st.text(max_size=140)
zones = st.sampled_from(["UTC", "Europe/Berlin", "../UTC", "\x00", ""]) | st.text()
moments = st.datetimes(timezones=st.just(UTC))


@hypothesis_settings(max_examples=300)
@given(crons, st.none() | numbers | st.text(), zones)
@example("0 0 30 2 *", None, "UTC")
@example("0 0 29 2 MON#1", None, "UTC")
def test_any_timing_is_checked_in_bounded_time(cron: str, every_seconds: Any, zone: str) -> None:
    try:
        check_timing(cron, every_seconds, zone)
    except InvalidJob:
        return
    anchor = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert anchor < next_firing(cron, every_seconds, zone, anchor, anchor)


@given(st.integers(1, 366 * 86400), moments, moments)
def test_an_interval_is_never_an_error(every_seconds: int, anchor: datetime, after: datetime) -> None:
    if after.year < 9990:
        assert next_firing("", every_seconds, "UTC", anchor, after) > after or anchor.year > 9990


def legal_schedule() -> dict[str, Any]:
    return {"name": "n", "task": "tests.engine.tasks.add", "every_seconds": 60}


@pytest.mark.django_db
@in_a_transaction
@given(
    st.dictionaries(
        st.sampled_from([*legal_schedule(), "cron", "timezone", "args", "kwargs", "queue", "priority", "misfire"]),
        anything,
        max_size=3,
    )
)
def test_any_declared_schedule_is_legal_or_refused(columns: dict[str, Any]) -> None:
    try:
        check_schedule(Schedule(**{**legal_schedule(), **columns}))
    except InvalidJob:
        return
    json.dumps([columns.get("args"), columns.get("kwargs")])


POLICIES = [Exponential, Linear, Fixed, Delays]


@hypothesis_settings(max_examples=300)
@given(
    st.sampled_from(POLICIES),
    st.dictionaries(
        st.sampled_from(["first_seconds", "factor", "step_seconds", "seconds", "max_seconds", "max_total_seconds"]),
        numbers | st.text() | st.none() | st.lists(numbers, max_size=3).map(tuple),
        max_size=4,
    ),
    st.integers(1, 10**9),
    st.floats(0, 1e12),
    st.floats(0, 1, exclude_max=True),
)
def test_any_policy_gives_a_delay_or_is_refused_when_it_is_made(
    kind: Any, values: dict[str, Any], failure_count: int, waited: float, drawn: float
) -> None:
    known = {name: value for name, value in values.items() if name in kind.__dataclass_fields__}
    try:
        policy = kind(**known)
    except ValueError:
        return
    delay = policy.delay_seconds(failure_count, waited, lambda: drawn)
    assert delay is None or 0 <= delay <= timedelta.max.total_seconds()
