"""Tasks that end in hostile ways; workers find them here too."""

from typing import Any

from jobs import task
from jobs.errors import Discard, Retry, Snooze
from jobs.retry import Fixed
from tests.journal import BEGAN, append

MEGABYTE = 1024 * 1024


@task
def note(path: str, key: str) -> None:
    """Say that it ran."""
    append(path, BEGAN, key)


@task
def give(kind: str) -> Any:
    """Return something hostile."""
    return RESULTS[kind]()


@task(retry=Fixed(seconds=3600))
def fail(kind: str) -> None:
    """Raise something hostile."""
    raise ERRORS[kind]()


@task(retry=Fixed(seconds=3600))
async def fail_async(kind: str) -> None:
    """Raise something hostile on the event loop."""
    raise ERRORS[kind]()


@task(takes_context=True)
def tell(context: Any, kind: str) -> None:
    """Report a hostile progress."""
    context.progress(1, 2, RESULTS[kind]())


# -- results -----------------------------------------------------------------------------------------------------
class EvilText(str):
    """Says that it is harmless."""

    def __contains__(self, part: object) -> bool:
        return False

    def isascii(self) -> bool:
        return True


class EvilDict(dict[str, Any]):
    """Raises when somebody looks."""

    def items(self) -> Any:
        raise SystemExit("looked at")

    __iter__ = keys = values = items  # type: ignore[assignment]


def laughs() -> Any:
    value: Any = ["ha"] * 10
    for _ in range(50):
        value = [value] * 10
    return value


def nested() -> Any:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    return value


RESULTS = {
    "nested": nested,
    "nan": lambda: float("nan"),
    "infinity": lambda: {"x": [float("-inf")]},
    "nul": lambda: {"a\x00b": "c\x00d"},
    "surrogate": lambda: ["\ud800"],
    "long number": lambda: 10**9_999,
    "odd keys": lambda: {1: 2, None: 3, (1, 2): 4},
    "laughs": laughs,
    "20 MB": lambda: "x" * 20 * MEGABYTE,
    "evil text": lambda: EvilText("\x00\ud800"),
    "evil dict": lambda: EvilDict(a=float("nan")),
    "object": object,
    "bytes": lambda: b"\x80\x04K\x01.",
    "an exception": lambda: ValueError("x"),
    "a generator": lambda: (number for number in range(3)),
}


# -- exceptions --------------------------------------------------------------------------------------------------
class NoTextError(Exception):
    def __str__(self) -> str:
        raise SystemExit("no text")


class NotATextError(Exception):
    def __str__(self) -> Any:
        return 5


class HugeTextError(Exception):
    def __str__(self) -> str:
        return "head" + "x" * 30 * MEGABYTE + "tail"


class NoNameMeta(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in {"__name__", "__qualname__", "__module__"}:
            raise RuntimeError("no name")
        return super().__getattribute__(name)


class NoNameError(Exception, metaclass=NoNameMeta):
    pass


class NoModuleError(Exception):
    pass


NoModuleError.__module__ = EvilDict()  # type: ignore[assignment]


def chained() -> BaseException:
    last: BaseException = ValueError("the first of ten thousand")
    for number in range(10_000):
        following = ValueError(f"number {number}")
        following.__cause__ = last
        last = following
    return last


def circular() -> BaseException:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    return one


def huge_chain() -> BaseException:
    last: BaseException = ValueError("x" * 20 * MEGABYTE)
    for _ in range(20):
        following = ValueError(last.args[0])
        following.__context__ = last
        last = following
    return last


def wide_group() -> BaseException:
    return ExceptionGroup("wide", [ValueError(str(number)) for number in range(50_000)])


def deep_group() -> BaseException:
    group: Exception = ValueError("innermost")
    for _ in range(5_000):
        group = ExceptionGroup("deep", [group])
    return group


def noted() -> BaseException:
    error = ValueError("noted")
    error.add_note("n" * 20 * MEGABYTE)
    return error


def odd_notes() -> BaseException:
    error = ValueError("oddly noted")
    error.__notes__ = EvilDict()  # type: ignore[assignment]
    return error


def recursion() -> BaseException:
    def again(depth: int) -> None:
        again(depth + 1)

    try:
        again(0)
    except RecursionError as error:
        return error
    raise AssertionError


def wild_snooze() -> BaseException:
    decision = Snooze(5)
    decision.in_seconds = float("nan")
    return decision


def wild_retry() -> BaseException:
    decision = Retry(5)
    decision.in_seconds = "soon"  # type: ignore[assignment]
    return decision


def no_text_discard() -> BaseException:
    return Discard(reason=NoTextError())  # type: ignore[arg-type]


ERRORS = {
    "no text": NoTextError,
    "not a text": NotATextError,
    "30 MB": HugeTextError,
    "NUL": lambda: ValueError("a\x00b\ud800c"),
    "lines": lambda: ValueError("one\r\n2026-01-01 ERROR forged\x1b[31m red \u202e"),
    "no name": NoNameError,
    "no module": NoModuleError,
    "a chain of 10,000": chained,
    "a circle": circular,
    "a chain of 20 MB each": huge_chain,
    "a wide group": wide_group,
    "a deep group": deep_group,
    "notes of 20 MB": noted,
    "odd notes": odd_notes,
    "recursion": recursion,
    "a wild snooze": wild_snooze,
    "a wild retry": wild_retry,
    "a discard without text": no_text_discard,
    "a syntax error of 10 MB": lambda: SyntaxError("bad", ("f.py", 1, 1, "x" * 10 * MEGABYTE)),
    "a system exit": lambda: SystemExit("\x00" * 5000),
    "an interrupt": lambda: KeyboardInterrupt("x" * 5 * MEGABYTE),
    "memory": lambda: MemoryError(NoTextError()),
}
