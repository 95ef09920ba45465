"""What each field of a filter asks of the rows. One function per field: a term becomes a condition."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db import connections
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, TextField
from django.db.models import Value as SqlValue
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Cast, Coalesce, Concat, StrIndex

from jobs.conf import get_settings
from jobs.filters import known
from jobs.filters.terms import Term, Value
from jobs.filters.values import (
    duration,
    fault,
    first_id_at,
    id_range,
    is_id,
    json_values,
    meant,
    span,
)
from jobs.fingerprints import LENGTH
from jobs.models import Attempt
from jobs.states import FINAL, UNFINISHED, JobState

STATES = tuple(state.value for state in JobState)
ID_SLACK = timedelta(hours=1)
"""How much the clocks of those who make ids and of the ledger may differ."""

_FINGERPRINT = frozenset("0123456789abcdef")


@dataclass(slots=True)
class Context:
    """What conditions need to know, and what they need of the query."""

    states: frozenset[str]
    """The states that the filter leaves."""
    present: Callable[[], datetime]
    """The moment from which relative times count."""
    aliases: dict[str, Any] = field(default_factory=dict)
    """Expressions that conditions refer to by name."""
    is_scan: bool = False
    """Set by a condition that no index serves for these states."""
    is_costly: bool = False
    """Set by a condition that looks at the attempts of each row."""

    def scans_unless(self, states: frozenset[str] | set[str]) -> None:
        """Say that an index serves the condition for these states only."""
        self.is_scan = self.is_scan or not self.states <= states


def any_of(conditions: list[Q]) -> Q:
    """Return the condition that one of them holds."""
    return reduce(or_, conditions)


def state(term: Term, context: Context) -> Q:
    return Q(state__in=sorted(set(states_of(term))))


def states_of(term: Term) -> list[str]:
    """Return the states that a term names.

    Raises: FilterError.
    """
    for value in term.values:
        if value.text.lower() not in STATES:
            remedy = f"{meant(value.text, STATES)}The states are {', '.join(STATES)}."
            raise fault(value, f"There is no state {value.text}.", remedy)
    return [value.text.lower() for value in term.values]


def queue(term: Term, context: Context) -> Q:
    plain = [value.text for value in term.values if "*" not in value.text]
    return any_of([Q(queue__in=plain), *(_like("queue", value.text) for value in term.values if "*" in value.text)])


def _like(column: str, pattern: str) -> Q:
    """Return the condition that a column begins, goes on and ends as the pattern says around its stars."""
    first, *middle, last = pattern.split("*")
    found = Q(**{f"{column}__istartswith": first}) & Q(**{f"{column}__iendswith": last})
    for part in filter(None, middle):
        found &= Q(**{f"{column}__icontains": part})
    return found


def task(term: Term, context: Context) -> Q:
    return Q(task__in=sorted({name for value in term.values for name in known.tasks_like(value.text)}))


def worker(term: Term, context: Context) -> Q:
    context.scans_unless({JobState.RUNNING})
    return any_of([Q(worker__icontains=value.text) for value in term.values])


def job_id(term: Term, context: Context) -> Q:
    for value in term.values:
        if not is_id(value.text):
            raise fault(value, f"{value.text} is not the beginning of an id.", "An id has the digits 0-9 and a-f.")
    return any_of([_id(value.text) for value in term.values])


def _id(text: str) -> Q:
    first, last = id_range(text)
    return Q(id=first) if first == last else Q(id__gte=first, id__lte=last)


def key(term: Term, context: Context) -> Q:
    context.scans_unless(UNFINISHED)
    return Q(unique_key__in=[value.text for value in term.values])


def tag(term: Term, context: Context) -> Q:
    context.is_scan = True
    context.aliases["tags_text"] = Cast("tags", TextField())
    conditions = []
    for number, value in enumerate(term.values):
        name = f"tag_{term.start}_{number}"
        # a tag has no character that JSON would escape; a search for text is the same on both databases
        context.aliases[name] = StrIndex("tags_text", SqlValue(f'"{value.text}"'))
        conditions.append(Q(**{f"{name}__gt": 0}))
    return any_of(conditions)


def error(term: Term, context: Context) -> Q:
    return any_of([_error(value, context) for value in term.values])


def _error(value: Value, context: Context) -> Q:
    text = value.text
    if len(text) == LENGTH and _FINGERPRINT.issuperset(text):
        context.scans_unless({JobState.DEAD})
        return Q(fingerprint=text)
    is_word = text.replace(".", "").isidentifier()
    if is_word and (found := known.fingerprints_like(text)):
        context.scans_unless({JobState.DEAD})
        return Q(fingerprint__in=found)
    # groups know messages without their numbers and quoted values: what has those is looked for in the attempts
    context.is_scan = context.is_costly = True
    told = _last_attempts().values(told=Concat("exception_class", SqlValue(" "), "message"))[:1]
    # a subquery for each row and no join: a planner may turn that round and read all attempts first
    context.aliases["last_error"] = Coalesce(Subquery(told), SqlValue(""), output_field=TextField())
    return Q(last_error__icontains=text)


def created(term: Term, context: Context) -> Q:
    return any_of([_created(term.operator, value, context.present()) for value in term.values])


def _created(operator: str, value: Value, now: datetime) -> Q:
    begins, ends = span(value, now)
    is_moment = begins == ends
    match operator:
        case ">" | ">=":
            since = ends if operator == ">" else begins
            exact = Q(created_at__gt=since) if operator == ">" and is_moment else Q(created_at__gte=since)
            return exact & Q(id__gte=first_id_at(since - ID_SLACK))
        case "<" | "<=":
            until = begins if operator == "<" else ends
            exact = Q(created_at__lte=until) if operator == "<=" and is_moment else Q(created_at__lt=until)
            return exact & Q(id__lt=first_id_at(until + ID_SLACK))
    if is_moment:
        raise fault(value, "A moment needs > or < before it.", f"For what came since then write created:>{value.text}.")
    within = Q(created_at__gte=begins, created_at__lt=ends)
    return within & Q(id__gte=first_id_at(begins - ID_SLACK), id__lt=first_id_at(ends + ID_SLACK))


def wait(term: Term, context: Context) -> Q:
    context.scans_unless({JobState.QUEUED, JobState.RUNNING, JobState.SCHEDULED, JobState.RETRYING, JobState.BLOCKED})
    if term.operator == "=":
        first = term.values[0]
        raise fault(first, "A duration needs > or < before it.", f"Write wait:>{first.text}.")
    return any_of([_wait(term.operator, duration(value), context) for value in term.values])


def _wait(operator: str, waited: timedelta, context: Context) -> Q:
    """Compare how long a job waited, or has waited, for its latest run since it became due."""
    suffix = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}[operator]
    mirrored = {">": "lt", ">=": "lte", "<": "gt", "<=": "gte"}[operator]
    due_then = F("due_at") + waited
    still = Q(state=JobState.QUEUED, **{f"due_at__{mirrored}": context.present() - waited})
    until_claimed = Q(state=JobState.RUNNING, **{f"claimed_at__{suffix}": due_then})
    condition = still | until_claimed
    if not context.states.isdisjoint(FINAL):
        context.is_costly = True
        ran = _last_attempts().filter(**{f"started_at__{suffix}": OuterRef("due_at") + waited})
        condition |= Q(state__in=sorted(FINAL)) & Q(Exists(ran))
    return condition


def _last_attempts() -> "QuerySet[Attempt]":
    """Return the latest attempt of the row that is looked at."""
    rows = Attempt.objects.using(get_settings().database)
    return rows.filter(job_id=OuterRef("pk"), number=OuterRef("attempt")).order_by()


def args(term: Term, context: Context) -> Q:
    return _argument("args", term, context)


def kwargs(term: Term, context: Context) -> Q:
    return _argument("kwargs", term, context)


def _argument(column: str, term: Term, context: Context) -> Q:
    context.is_scan = True
    place: Any = column
    for part in term.path[:-1]:
        place = KeyTransform(part, place)
    name = f"argument_{term.start}"
    context.aliases[name] = KeyTransform(term.path[-1], place)
    meanings = [meaning for value in term.values for meaning in json_values(value.text)]
    found = Q(**{f"{name}__in": meanings})
    texts = _texts(meanings)
    if texts and connections[get_settings().database].vendor == "postgresql":
        # a text soon shows most rows to be others: of 50,000 rows an eighth of the time
        context.aliases[f"{name}_text"] = KeyTextTransform(term.path[-1], place)
        found = Q(**{f"{name}_text__in": texts}) & found
    return found | Q(**{name: None}) if None in meanings else found


def _texts(meanings: Iterable[Any]) -> list[str]:
    """Return the texts that equal values in JSON can have; empty if that is not known of all."""
    texts = []
    for meaning in meanings:
        if type(meaning) is int:
            texts += [str(meaning), f"{meaning}.0"]
        elif isinstance(meaning, str):
            texts.append(meaning)
        else:
            return []
    return texts


def word(term: Term, context: Context) -> Q:
    """A term without a field: a part of a task's name, the beginning of an id, an unfinished job's unique key."""
    conditions = []
    for value in term.values:
        names = known.tasks_like(value.text)
        if ids := known.ids_with_key(value.text):
            conditions.append(Q(id__in=ids))
        if is_id(value.text) and len(value.text) >= 4:
            conditions.append(_id(value.text))
            if names == [value.text]:  # no task is called so
                continue
        conditions.append(Q(task__in=names))
    return any_of(conditions)
