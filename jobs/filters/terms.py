"""The text of a filter as terms: reading it, quoting a value, changing one term of it.

    state:dead -queue:mail,bulk created:>-2h kwargs.user.id:1 error:"no such host" charge

Terms are separated by spaces and all must hold. A value in quotes may hold anything (`\\"` is a quote, `\\\\` a
backslash); of several values, separated by commas, one must hold; a minus negates the term. A term without a field is a
word.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jobs.errors import FilterError

MOST_CHARACTERS = 2048
MOST_TERMS = 40
MOST_VALUES = 100

_FIELD = re.compile(r"([A-Za-z][\w.-]*):")
_OPERATOR = re.compile(r">=|<=|>|<|")
_BARE = re.compile(r'[^\s",][^\s,]*')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_SAFE = re.compile(r'[^\s",<>=-][^\s",:]*\Z')


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a term, and where it stands in the text."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Term:
    """One condition as it was written. `field` is empty for a word; "kwargs.user.id" has the path ("user", "id")."""

    field: str
    path: tuple[str, ...]
    operator: str
    """"=", or one of < <= > >=."""
    values: tuple[Value, ...]
    is_negated: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Query:
    """A filter that could be read. Whether its fields and values make sense, the conditions tell."""

    text: str
    terms: tuple[Term, ...]

    def written(self, term: Term) -> str:
        """Return a term of this filter as it was written, for a chip."""
        return self.text[term.start : term.end]

    def without(self, term: Term) -> str:
        """Return the text of the filter without this term, for the cross on its chip."""
        return " ".join(self.written(other) for other in self.terms if other is not term)

    def has(self, field: str) -> bool:
        """Say whether a term names this field."""
        return any(term.field == field for term in self.terms)


def parse(text: str) -> Query:
    """Read a filter; an empty one has no terms and matches everything.

    Raises: FilterError with the place in the text.
    """
    if len(text) > MOST_CHARACTERS:
        raise FilterError(
            f"A filter has at most {MOST_CHARACTERS:,} characters, this one has {len(text):,}.", start=MOST_CHARACTERS,
            end=len(text),
        )  # fmt: skip
    terms = tuple(_terms(text))
    if len(terms) > MOST_TERMS:
        extra = terms[MOST_TERMS]
        raise FilterError(f"A filter has at most {MOST_TERMS} terms.", start=extra.start, end=len(text))
    return Query(text, terms)


def quoted(value: str) -> str:
    """Return a value as a filter writes it, in quotes where it needs them."""
    if _SAFE.match(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def written(field: str, values: Iterable[str], *, is_negated: bool = False) -> str:
    """Return a term as text: `written("queue", ["mail"])` is "queue:mail"."""
    return f"{'-' if is_negated else ''}{field}:{','.join(map(quoted, values))}"


def _terms(text: str) -> Iterator[Term]:
    position = 0
    while True:
        while position < len(text) and text[position].isspace():
            position += 1
        if position == len(text):
            return
        term = _term(text, position)
        yield term
        position = term.end


def _term(text: str, start: int) -> Term:
    is_negated = text[start] == "-"
    position = start + is_negated
    found = _FIELD.match(text, position)
    name, operator = "", "="
    if found:
        name, position = found[1], found.end()
        said = _OPERATOR.match(text, position)
        operator, position = (said[0] or "=", said.end()) if said else ("=", position)
    values: list[Value] = []
    while True:
        value = _value(text, position, start, name)
        values.append(value)
        position = value.end
        if position < len(text) and text[position] == ",":
            position += 1
            continue
        break
    if len(values) > MOST_VALUES:
        raise FilterError(f"A term has at most {MOST_VALUES} values.", start=start, end=position)
    head, *path = name.split(".")
    return Term(head.lower(), tuple(path), operator, tuple(values), is_negated, start, position)


def _value(text: str, position: int, start: int, name: str) -> Value:
    if text[position : position + 1] == '"':
        return _quoted_value(text, position, start)
    found = _BARE.match(text, position)
    if not found:
        what = f"{name}:" if name else "This term"
        end = max(position, start + 1)
        raise FilterError(f"{what} has no value here.", "Write one behind it.", start=start, end=end)
    return _checked(Value(found[0], position, found.end()))


def _quoted_value(text: str, position: int, start: int) -> Value:
    found = _QUOTED.match(text, position)
    if not found:
        remedy = 'Put a " at the end of the value.'
        raise FilterError("The quotes are not closed.", remedy, start=position, end=len(text))
    end = found.end()
    if end < len(text) and text[end] != "," and not text[end].isspace():
        raise FilterError(
            'After the closing " comes a space or a comma.', 'A quote inside a value is written \\".', start=position,
            end=end + 1,
        )  # fmt: skip
    value = _ESCAPED.sub(r"\1", found[1])
    if not value.strip():
        raise FilterError("A value cannot be empty.", start=start, end=end)
    return _checked(Value(value, position, end))


def _checked(value: Value) -> Value:
    if not value.text.isprintable():
        raise FilterError("A value holds only printable characters.", start=value.start, end=value.end)
    return value
