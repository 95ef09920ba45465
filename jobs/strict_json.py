"""Strict JSON: what arguments, results and notes may be made of, and the plain copy of it that is kept.

Only what the built-in types hold is read, never what a subclass says of itself, so that the copy is what was checked.
Work is bounded by the size that is allowed, not by the size of what was passed.
"""

import json
import math
from typing import Any

from jobs.errors import InvalidJob, TooLarge, shown

MAX_DEPTH = 64
MAX_ITEMS = 250_000
"""Values and keys of one structure, however many bytes it may take."""

MAX_DIGITS = 4300
"""What Python itself agrees to read back."""

MOST_PER_CHARACTER, MOST_PER_ITEM = 6, 32
"""Bytes of JSON. A control character is \\u0001; an item is a number of 24, quotes or brackets, and a comma."""

_LARGEST = 10**MAX_DIGITS
_REMEDIES = {
    "datetime": "Pass value.isoformat().",
    "date": "Pass value.isoformat().",
    "Decimal": "Pass str(value).",
    "UUID": "Pass str(value).",
    "bytes": "Pass base64 or a path.",
    "set": "Pass sorted(value).",
}


class _Fault(Exception):
    """What is wrong, and the way to it, innermost step first."""

    def __init__(self, problem: str, remedy: str, is_size: bool = False) -> None:
        self.problem, self.remedy, self.is_size = problem, remedy, is_size
        self.steps: list[str] = []


def plain(where: str, value: Any, limit_bytes: int, *, is_lenient: bool = False) -> Any:
    """Return a copy made of None, bool, int, float, str, list and dict only; tuples become lists.

    Instances of subclasses become what they hold. `is_lenient` replaces what JSON text cannot hold (NUL, lone
    surrogates, NaN, keys that are numbers) in place of refusing it.

    Raises: InvalidJob, naming where in the structure the fault is; TooLarge as soon as it is sure that the value
    takes more than `limit_bytes`.
    """
    return bounded(where, value, limit_bytes, is_lenient=is_lenient)[0]


def bounded(where: str, value: Any, limit_bytes: int, *, is_lenient: bool = False) -> tuple[Any, int]:
    """Return what `plain` returns, and a number of bytes that its compact JSON surely does not exceed.

    Raises: see `plain`.
    """
    copier = _Copier(limit_bytes, is_lenient)
    try:
        return copier.copy(value, 0), copier.most_bytes
    except _Fault as fault:
        if fault.is_size:
            raise TooLarge(where, fault.problem, fault.remedy) from None
        raise InvalidJob(where + "".join(reversed(fault.steps)), fault.problem, fault.remedy) from None


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def compact(value: Any) -> str:
    """Return a plain value as compact JSON, whatever its size."""
    return _ENCODER.encode(value)


def dump(where: str, value: Any, limit_bytes: int) -> str:
    """Return a plain value as compact JSON.

    Raises: TooLarge.
    """
    text = compact(value)
    size = len(text) if text.isascii() else len(text.encode())
    if size > limit_bytes:
        raise TooLarge(where, f"takes {size:,} bytes as JSON, over the limit of {limit_bytes:,}.", _STORE)
    return text


_STORE = "Store the data and pass its key."


class _Copier:
    """One walk over a value."""

    def __init__(self, limit_bytes: int, is_lenient: bool) -> None:
        self.limit_bytes, self.is_lenient = limit_bytes, is_lenient
        self.bytes_left, self.items_left = limit_bytes, min(limit_bytes, MAX_ITEMS)
        """What the rest may take, each item and each character being one byte at the very least."""
        self.most_digits = 0
        """Of numbers that are longer than others."""

    @property
    def most_bytes(self) -> int:
        """What the copy takes as JSON at the very most."""
        characters, items = self.limit_bytes - self.bytes_left, min(self.limit_bytes, MAX_ITEMS) - self.items_left
        return MOST_PER_CHARACTER * characters + MOST_PER_ITEM * (items + 1) + self.most_digits

    def copy(self, value: Any, depth: int) -> Any:
        """Return the copy of a value at this depth.

        Raises: _Fault.
        """
        kind = type(value)  # not isinstance: a proxy lies about its class, and its methods are not to be called
        if kind is str:
            return self._text(value)
        if value is None or kind is bool:
            return value
        if issubclass(kind, int):
            return self._int(value if kind is int else int.__pos__(value))
        if issubclass(kind, str):
            return self._text(str.__str__(value))
        if issubclass(kind, float):
            return self._float(float.__pos__(value))
        if depth >= MAX_DEPTH:
            raise _Fault(f"is nested deeper than {MAX_DEPTH} levels.", "Flatten it.")
        if issubclass(kind, list):
            self._count(list.__len__(value))
            return self._list(value if kind is list else list.copy(value), depth)
        if issubclass(kind, tuple):
            self._count(tuple.__len__(value))
            return self._list(list(tuple.__iter__(value)), depth)
        if issubclass(kind, dict):
            return self._dict(value, depth)
        raise _Fault(f"a {kind.__name__:.80} is not JSON.", _remedy(kind))

    def _count(self, items: int) -> None:
        self.items_left -= items
        if self.items_left < 0:
            self._refuse_size()

    def _refuse_size(self) -> None:
        raise _Fault(f"is over the limit of {self.limit_bytes:,} bytes as JSON.", _STORE, is_size=True)

    def _list(self, items: list[Any], depth: int) -> list[Any]:
        copies = []
        for index, item in enumerate(items):
            try:
                copies.append(self.copy(item, depth + 1))
            except _Fault as fault:
                fault.steps.append(f"[{index}]")
                raise
        return copies

    def _dict(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        self._count(2 * dict.__len__(value))
        copies: dict[str, Any] = {}
        for key, item in dict.items(value):
            name = self._key(key)
            if name in copies and not self.is_lenient:
                raise _Fault(f"holds the key {shown(name, 80)} twice.", "Rename one.")
            try:
                copies[name] = self.copy(item, depth + 1)
            except _Fault as fault:
                fault.steps.append(f".{name:.80}")
                raise
        return copies

    def _key(self, key: Any) -> str:
        kind = type(key)
        if issubclass(kind, str):
            return self._text(str.__str__(key))
        if self.is_lenient and (key is None or kind in (bool, int, float)):
            return self._text(str(json.dumps(self.copy(key, 0))))
        raise _Fault(f"the key {shown(key, 80)} is not a text.", "JSON objects have text keys.")

    def _int(self, number: int) -> int:
        if number.bit_length() > 60:
            if not -_LARGEST < number < _LARGEST:
                raise _Fault(f"has more than {MAX_DIGITS:,} digits.", "Pass a text.")
            self.most_digits += number.bit_length()
        return number

    def _float(self, number: float) -> float | None:
        if math.isfinite(number):
            return number
        if self.is_lenient:
            return None
        raise _Fault(f"{number} is not JSON.", "Pass None or a text.")

    def _text(self, text: str) -> str:
        self.bytes_left -= len(text)
        if self.bytes_left < 0:
            self._refuse_size()
        if "\x00" in text:
            if not self.is_lenient:
                raise _Fault("holds a NUL character.", "Remove it.")
            text = text.replace("\x00", "\ufffd")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                if not self.is_lenient:
                    raise _Fault("holds a lone surrogate.", "Pass valid Unicode.") from None
                text = text.encode(errors="replace").decode()
        return text


def _remedy(kind: type) -> str:
    if hasattr(kind, "_meta") and hasattr(kind, "pk"):
        return "Pass value.pk and load it in the task."
    return _REMEDIES.get(kind.__name__, "Pass text, numbers, lists and dicts.")
