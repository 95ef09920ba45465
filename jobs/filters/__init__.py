"""Which jobs are meant: the filter language of all pages and commands, and conditions that indexes serve.

`parse` reads a filter, `Search` answers people who wait, `matching` gives all the jobs for work on them, `suggest`
helps to write one. docs/filters.md describes the language; its table is FIELDS.
"""

from jobs.filters.concealing import masked, readable_by
from jobs.filters.fields import FIELDS, Field
from jobs.filters.plan import matching, pinned
from jobs.filters.search import Count, Found, Search
from jobs.filters.states import INDEXED_UNFINISHED, StateIn
from jobs.filters.suggestions import Suggestion, suggest
from jobs.filters.terms import Query, Term, parse, quoted, written

__all__ = [
    "FIELDS",
    "INDEXED_UNFINISHED",
    "Count",
    "Field",
    "Found",
    "Query",
    "Search",
    "StateIn",
    "Suggestion",
    "Term",
    "masked",
    "matching",
    "parse",
    "pinned",
    "quoted",
    "readable_by",
    "suggest",
    "written",
]
