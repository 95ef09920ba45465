"""Retry policies are arithmetic: delays stay within their bounds whatever the numbers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.retry import DEAD, DISCARD, RETRY, Delays, Exponential, Fixed, Linear, Policy, on

pytestmark = pytest.mark.fast

seconds = st.floats(0, 1e6)
failures = st.integers(1, 10_000)
draws = st.floats(0, 1, exclude_max=True)
policies = st.one_of(
    st.builds(Exponential, first_seconds=seconds, factor=st.floats(1, 10), max_seconds=seconds, jitter=st.booleans()),
    st.builds(Linear, step_seconds=seconds, max_seconds=seconds, jitter=st.booleans()),
    st.builds(Fixed, seconds=seconds, max_seconds=seconds, jitter=st.booleans()),
    st.builds(Delays, st.lists(seconds, max_size=9).map(tuple), max_seconds=seconds, jitter=st.booleans()),
)


@pytest.mark.lingers
@given(policies, failures, draws)
def test_a_delay_is_finite_and_never_longer_than_the_longest(policy: Policy, count: int, draw: float) -> None:
    delay = policy.delay_seconds(count, 0.0, lambda: draw)
    assert delay is None or 0 <= delay <= policy.max_seconds  # type: ignore[attr-defined]
    assert delay is None or math.isfinite(delay)


@pytest.mark.lingers
@given(policies, failures)
def test_without_jitter_the_delay_is_the_same_each_time(policy: Policy, count: int) -> None:
    low, high = (policy.delay_seconds(count, 0.0, lambda draw=draw: draw) for draw in (0.0, 0.999))
    if not policy.jitter:  # type: ignore[attr-defined]
        assert low == high
    elif low is not None:
        assert low == 0.0


@pytest.mark.lingers
@given(st.one_of(st.builds(Exponential, first_seconds=seconds, jitter=st.just(False)),
                 st.builds(Linear, step_seconds=seconds, jitter=st.just(False))), failures)  # fmt: skip
def test_growing_delays_never_shrink(policy: Policy, count: int) -> None:
    now, later = policy.delay_seconds(count, 0.0), policy.delay_seconds(count + 1, 0.0)
    assert now is not None
    assert later is not None
    assert later >= now


@pytest.mark.lingers
@given(policies, failures, seconds, seconds, draws)
def test_no_attempt_comes_after_the_total(
    policy: Policy, count: int, waited: float, total: float, draw: float
) -> None:
    limited = type(policy)(**{**_fields(policy), "max_total_seconds": total})
    delay = limited.delay_seconds(count, waited, lambda: draw)
    assert delay is None or waited + delay <= total


@pytest.mark.lingers
@given(st.lists(seconds, max_size=6).map(tuple), failures)
def test_a_list_of_delays_allows_exactly_one_attempt_each(delays: tuple[float, ...], count: int) -> None:
    delay = Delays(delays, max_seconds=1e9, jitter=False).delay_seconds(count, 0.0)
    assert delay == (delays[count - 1] if count <= len(delays) else None)


def _fields(policy: Policy) -> dict[str, object]:
    return {name: getattr(policy, name) for name in policy.__dataclass_fields__}  # type: ignore[attr-defined]


def test_delays_grow_as_their_names_say() -> None:
    assert [Exponential(first_seconds=3, factor=2, jitter=False).delay_seconds(n, 0) for n in (1, 2, 3)] == [3, 6, 12]
    assert [Linear(step_seconds=5, jitter=False).delay_seconds(n, 0) for n in (1, 2, 3)] == [5, 10, 15]
    assert [Fixed(seconds=7, jitter=False).delay_seconds(n, 0) for n in (1, 2, 3)] == [7, 7, 7]
    assert [Exponential(max_seconds=9, jitter=False).delay_seconds(n, 0) for n in (1, 4, 99)] == [2, 9, 9]


def test_full_jitter_spreads_over_the_whole_delay() -> None:
    policy = Fixed(seconds=100)
    drawn = [policy.delay_seconds(1, 0) or 0 for _ in range(500)]
    assert min(drawn) < 20
    assert max(drawn) > 80


def test_the_first_rule_that_matches_wins() -> None:
    policy = Fixed(rules=(on(KeyError, do=DISCARD), on(LookupError, ValueError, do=DEAD)))
    errors = (KeyError(), IndexError(), ValueError(), OSError())
    assert [policy.action_for(error) for error in errors] == [DISCARD, DEAD, DEAD, RETRY]


@pytest.mark.parametrize("given_", [(), ("ValueError",), (ValueError(),), (int,), ((ValueError, KeyError),)])
def test_a_rule_takes_exception_classes_only(given_: tuple[object, ...]) -> None:
    with pytest.raises(TypeError, match="exception classes"):
        on(*given_, do=DEAD)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [{"max_seconds": -1}, {"max_total_seconds": -0.1}])
@pytest.mark.parametrize("kind", [Exponential, Linear, Fixed, Delays])
def test_negative_limits_are_refused(kind: type, values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="never negative"):
        kind(**values)


@pytest.mark.parametrize(
    ("kind", "values"),
    [(Exponential, {"first_seconds": -1}), (Exponential, {"factor": -2}), (Linear, {"step_seconds": -1}),
     (Fixed, {"seconds": -0.5}), (Fixed, {"seconds": math.nan}), (Delays, {"seconds": (1, -1)})],
)  # fmt: skip
def test_negative_delays_are_refused(kind: type, values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="never negative"):
        kind(**values)


@pytest.mark.lingers
def test_a_delay_too_large_for_a_number_is_the_longest() -> None:
    assert Exponential(factor=1000, max_seconds=60, jitter=False).delay_seconds(999, 0) == 60


@pytest.mark.parametrize("policy", [Exponential(), Linear(), Fixed(rules=(on(KeyError, do=DEAD),)), Delays()])
def test_policies_are_hashable_and_frozen(policy: Policy) -> None:
    assert hash(policy) == hash(type(policy)(**_fields(policy)))
    with pytest.raises(AttributeError):
        policy.jitter = False  # type: ignore[attr-defined]
