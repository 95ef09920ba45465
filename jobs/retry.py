"""Retry policies: pure arithmetic over attempt numbers, with the random source injected.

A policy answers one question: after failure number n, how many seconds until the next attempt, or none at all. It is
a frozen dataclass, so a task that holds one stays hashable.

Full jitter follows M. Brooker, "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015): a delay drawn evenly
from [0, base] spreads a burst of failures best.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import Enum
from typing import Protocol

RandomSource = Callable[[], float]  # a float in [0, 1)


LARGEST = 1e10
"""Of any number of a policy: some 300 years."""


class Action(Enum):
    """What an exception class asks for."""

    RETRY = "retry"  # by the policy
    DEAD = "dead"  # no further attempt: a dead letter at once
    DISCARD = "discard"  # end the job as cancelled


RETRY, DEAD, DISCARD = Action.RETRY, Action.DEAD, Action.DISCARD


@dataclass(frozen=True, slots=True)
class Rule:
    """For exceptions of `exceptions`, do `action`; the first rule that matches wins."""

    exceptions: tuple[type[BaseException], ...]
    action: Action


def on(*exceptions: type[BaseException], do: Action) -> Rule:
    """Make a rule: `on(ValueError, do=DEAD)`.

    Raises: TypeError if something else than an exception class is given.
    """
    if not exceptions or not all(isinstance(item, type) and issubclass(item, BaseException) for item in exceptions):
        raise TypeError("on() takes exception classes, as in on(ValueError, KeyError, do=DEAD)")
    return Rule(exceptions, Action(do))


class Policy(Protocol):
    """What `lifecycle.settle` asks of a policy."""

    def action_for(self, error: BaseException) -> Action:
        """Tell what to do about this exception."""

    def delay_seconds(
        self, failure_count: int, waited_seconds: float, draw: RandomSource = random.random
    ) -> float | None:
        """Return the delay before the next attempt in seconds, or None to give up.

        `failure_count` is 1 after the first failure; `waited_seconds` is the time since the job first became due.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class _Backoff:
    max_seconds: float = 3600.0
    """Longest single delay."""

    max_total_seconds: float | None = None
    """Give up when the next attempt would come later than this after the first became due."""

    jitter: bool = True
    """Draw the delay evenly from [0, delay]."""

    rules: tuple[Rule, ...] = ()
    """Exceptions that are not simply retried."""

    def __post_init__(self) -> None:
        for item in fields(self):
            if item.name in ("jitter", "rules"):
                continue
            value = getattr(self, item.name)
            if value is None and item.name == "max_total_seconds":
                continue
            if isinstance(value, tuple) != isinstance(item.default, tuple):
                raise ValueError(f"{item.name}: delays are given in seconds; only Delays takes several")
            numbers = value if isinstance(value, tuple) else (value,)
            # NaN, infinity and a number beyond what floats hold are refused too: they would fail after a failure
            if not all(isinstance(number, int | float) and 0 <= number <= LARGEST for number in numbers):
                raise ValueError(
                    f"{item.name}: delays are given in seconds and are never negative, nor longer than {LARGEST:g}"
                )

    def base_seconds(self, failure_count: int) -> float | None:
        raise NotImplementedError

    def action_for(self, error: BaseException) -> Action:
        return next((rule.action for rule in self.rules if isinstance(error, rule.exceptions)), RETRY)

    def delay_seconds(
        self, failure_count: int, waited_seconds: float, draw: RandomSource = random.random
    ) -> float | None:
        base = self.base_seconds(failure_count)
        if base is None:
            return None
        delay = min(base, self.max_seconds)
        if self.jitter:
            delay *= draw()
        if self.max_total_seconds is not None and waited_seconds + delay > self.max_total_seconds:
            return None
        return delay


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential(_Backoff):
    """Delays of first, first·factor, first·factor², … seconds."""

    first_seconds: float = 2.0
    factor: float = 2.0

    def base_seconds(self, failure_count: int) -> float | None:
        try:
            return float(self.first_seconds * float(self.factor) ** (failure_count - 1))
        except OverflowError:
            return self.max_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear(_Backoff):
    """Delays of step, 2·step, 3·step, … seconds."""

    step_seconds: float = 10.0

    def base_seconds(self, failure_count: int) -> float | None:
        return self.step_seconds * failure_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed(_Backoff):
    """The same delay each time."""

    seconds: float = 10.0

    def base_seconds(self, failure_count: int) -> float | None:
        return self.seconds


@dataclass(frozen=True, slots=True)
class Delays(_Backoff):
    """Exactly these delays, one per failure; after the last, give up."""

    seconds: tuple[float, ...] = (10.0, 60.0, 600.0)

    def base_seconds(self, failure_count: int) -> float | None:
        return self.seconds[failure_count - 1] if failure_count <= len(self.seconds) else None


DEFAULT_POLICY = Exponential()
