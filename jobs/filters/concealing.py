"""Filters as text for people who may not see what jobs carry: values that may come from there are masked."""

from typing import Any

from jobs.errors import FilterError
from jobs.filters.fields import FIELDS
from jobs.filters.plan import sees_payload
from jobs.filters.terms import Term, parse
from jobs.masking import MASK, mask


def readable_by(actor: Any, text: str) -> str:
    """Return a filter as this user may read it: as it was written, or masked."""
    return text if sees_payload(actor) else masked(text)


def masked(text: str) -> str:
    """Return a filter without the values that arguments or messages may hold, and without secrets."""
    try:
        query = parse(text)
    except FilterError:  # written by a release with another language
        return MASK
    parts, position = [], 0
    for term in query.terms:
        if _holds_payload(term):
            parts += [text[position : term.values[0].start], MASK]
            position = term.values[-1].end
    return mask("".join([*parts, text[position:]]))


def _holds_payload(term: Term) -> bool:
    known = FIELDS.get(term.field)
    return known.holds_payload if known else bool(term.field)
