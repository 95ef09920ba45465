"""A filter as conditions on rows: which of them indexes serve, and which look at every row they are given."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When

from jobs.conf import get_settings
from jobs.errors import FilterError
from jobs.filters import conditions
from jobs.filters.conditions import Context
from jobs.filters.fields import FIELDS, PAYLOAD_PERMISSION
from jobs.filters.states import AT_REST, INDEXED_UNFINISHED, StateIn
from jobs.filters.terms import Query, Term, parse, quoted
from jobs.filters.values import is_relative, meant, span
from jobs.models import Job
from jobs.statements import ledger
from jobs.states import FINAL, JobState

ALL_STATES = frozenset(conditions.STATES)
_ARGUMENTS = frozenset({"args", "kwargs"})


@dataclass(slots=True)
class Plan:
    """The conditions of a filter, apart by what they cost."""

    query: Query
    states: frozenset[str]
    indexed: list[Q] = field(default_factory=list)
    scans: list[Q] = field(default_factory=list)
    scanning: list[Term] = field(default_factory=list)
    """The terms that no index serves."""
    aliases: dict[str, Any] = field(default_factory=dict)
    names_task: bool = False
    """Whether a term asks for tasks by name."""
    is_costly: bool = False
    """Whether looking at a row means looking at its attempts, too."""

    def served(self, rows: "QuerySet[Job] | None" = None) -> "QuerySet[Job]":
        """Return the jobs, or those of `rows`, that match as far as indexes tell."""
        return _in_states(all_jobs() if rows is None else rows, self.states).filter(*self.indexed)

    def parts(self) -> "list[QuerySet[Job]]":
        """Return the jobs of `served` in parts that have an index each, for a task that may be rare."""
        groups = [self.states & set(group) for group in (AT_REST, *INDEXED_UNFINISHED)]
        if not self.names_task or self.states in groups:
            return [self.served()]
        return [
            all_jobs().filter(StateIn(group), state__in=sorted(states)).filter(*self.indexed)
            for group, states in zip((AT_REST, *INDEXED_UNFINISHED), groups, strict=True)
            if states
        ]

    def narrowed(self, rows: "QuerySet[Job]") -> "QuerySet[Job]":
        """Return those of `rows` for which the other conditions hold, too."""
        return rows.alias(**self.aliases).filter(*self.scans) if self.scans else rows


def all_jobs() -> "QuerySet[Job]":
    """Return the jobs of the ledger."""
    return Job.objects.using(get_settings().database)


def matching(text: str, *, actor: Any) -> "QuerySet[Job]":
    """Return all jobs that match, without order and limit, however long they take to find; for work on all of them.

    Raises: FilterError.
    """
    plan = make_plan(parse(text), actor=actor)
    return plan.narrowed(plan.served())


def make_plan(query: Query, *, actor: Any) -> Plan:
    """Check the terms and make conditions of them. `actor` is a user, or a text that names a command, which may all.

    Raises: FilterError for the first term that cannot be used.
    """
    for term in query.terms:
        check_term(term, sees_payload(actor))
    present = _present_once()
    plan = Plan(query, _states(query))
    for term in query.terms:
        if term.field == "state":
            continue
        context = Context(plan.states, present, plan.aliases)
        condition = _condition(term, context)
        if term.is_negated:
            condition = _negated(term, condition, context)
        plan.is_costly = plan.is_costly or context.is_costly
        plan.names_task = plan.names_task or (term.field in {"task", ""} and not term.is_negated)
        if context.is_scan:
            plan.scans.append(condition)
            plan.scanning.append(term)
        else:
            plan.indexed.append(condition)
    return plan


def sees_payload(actor: Any) -> bool:
    """Say whether the actor may ask for arguments."""
    return isinstance(actor, str) or bool(actor.has_perm(PAYLOAD_PERMISSION))


def check_term(term: Term, may_see_payload: bool) -> None:
    """Check what can be known of a term without its values.

    Raises: FilterError.
    """
    if not term.field:
        return
    known = FIELDS.get(term.field)
    if known is None:
        names = f"{meant(term.field, list(FIELDS))}The fields are {', '.join(FIELDS)}."
        remedy = f"{names} A text with a colon needs quotes."
        raise _fault(term, f"There is no field {term.field}.", remedy)
    if known.permission and not may_see_payload:
        raise _fault(term, f"{term.field} needs the permission to view payloads ({known.permission}).")
    if known.has_path != bool(term.path) or "" in term.path:
        problem = f"{term.field} needs the name of an argument." if known.has_path else f"{term.field} has no parts."
        raise _fault(term, problem, f"Write it as in {known.example.split()[0]}.")
    if term.operator not in known.operators and term.operator != "=":
        raise _fault(term, f"{term.field} cannot be compared by {term.operator}.", f"Write {term.field}:…")


def pinned(text: str) -> str:
    """Return a filter with times that are counted from now written out, so that it means the same tomorrow.

    Raises: FilterError.
    """
    query, parts, position = parse(text), [], 0
    for term in query.terms:
        for value in term.values if term.field == "created" else ():
            if is_relative(value.text):
                begins, ends = span(value, ledger().present())
                at = begins.isoformat(timespec="microseconds") if begins == ends else begins.date().isoformat()
                parts += [text[position : value.start], quoted(at)]
                position = value.end
    return "".join([*parts, text[position:]])


def _fault(term: Term, problem: str, remedy: str = "") -> FilterError:
    return FilterError(problem, remedy, start=term.start, end=term.end)


def _states(query: Query) -> frozenset[str]:
    """Return the states that the filter leaves.

    Raises: FilterError.
    """
    left = set(ALL_STATES)
    for term in query.terms:
        if term.field == "state":
            named = set(conditions.states_of(term))
            left = left - named if term.is_negated else left & named
    return frozenset(left)


def _condition(term: Term, context: Context) -> Q:
    return FIELDS[term.field].condition(term, context) if term.field else conditions.word(term, context)


def _negated(term: Term, condition: Q, context: Context) -> Q:
    if term.field not in _ARGUMENTS:
        return ~condition
    # of a row that has no such argument, SQL would say neither yes nor no
    name = f"without_{term.start}"
    context.aliases[name] = Case(When(condition, then=Value(0)), default=Value(1), output_field=IntegerField())
    return Q(**{name: 1})


def _in_states(rows: "QuerySet[Job]", states: frozenset[str]) -> "QuerySet[Job]":
    """Name the states such that the partial indexes serve them."""
    if states == ALL_STATES:
        return rows
    if not states:
        return rows.none()
    if states == {JobState.DEAD}:
        return rows.filter(StateIn([JobState.DEAD]), StateIn(FINAL))
    for group in (sorted(FINAL), *INDEXED_UNFINISHED):
        if states <= set(group):
            return rows.filter(StateIn(group), state__in=sorted(states))
    return rows.filter(state__in=sorted(states))


def _present_once() -> Callable[[], datetime]:
    """Return the ledger's present moment, which is asked for only if somebody wants it, and once."""
    known: list[datetime] = []

    def present() -> datetime:
        if not known:
            known.append(ledger().present())
        return known[0]

    return present
