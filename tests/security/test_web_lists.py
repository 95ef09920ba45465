"""Lists and what they can be asked: every parameter, hostile values, bounded answers."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db import connections
from django.test import Client, RequestFactory

from jobs.admin.reading import CappedPaginator, ReadOnlyAdmin
from jobs.models import Attempt, Job, Queue, Schedule
from tests.admin.conftest import page
from tests.factories import make_job
from tests.security.wire import ask

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_transport")]

ADD = "tests.tasks.add"
PAGES = [page for page in admin.site._registry.values() if isinstance(page, ReadOnlyAdmin)]
MARK = "zqx"
INJECTIONS = [
    f"{MARK}' OR '1'='1", f'{MARK}" OR ""="', f"{MARK}'); DROP TABLE jobs_job; --", f"{MARK}%s%%(x)s{{0}}\\' OR 1=1 --",
]  # fmt: skip
ODD = ["", "\x00'", "9" * 5000, "-1", "1e9", "NaN", "😀" * 500, "a" * 20_000, "%00", "١٢"]
OF_DJANGO = ["o", "p", "all", "e", "_popup", "_to_field", "_facets", "_changelist_filters"]
PATTERN = "(a+)+$"
LONGEST_SECONDS = 5.0
"""Of computing, not of waiting for other processes of this machine."""


def parameters_of(page: ReadOnlyAdmin) -> list[str]:
    """Return what the list of this page reads from its address; what is Django's own, for one page only."""
    filters = [
        item.parameter_name if isinstance(item, type) and issubclass(item, SimpleListFilter) else f"{item}__exact"
        for item in page.list_filter
    ]
    return [*map(str, filters), "q", *(OF_DJANGO if page.model is Job else ())]


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the texts of statements without their parameters."""
    texts: list[str] = []

    def note(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        texts.append(str(sql))
        return execute(sql, params, many, context)

    with ExitStack() as stack:
        stack.enter_context(connections["default"].execute_wrapper(note))
        yield texts


@pytest.fixture
def rows() -> None:
    """Some rows of each kind."""
    for state in ("dead", "queued", "succeeded"):
        make_job(state, task=ADD, args=[1])
    Queue.objects.create(name="mail")
    Schedule.objects.create(name="s", task=ADD, every_seconds=60)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.model_name)
@pytest.mark.usefixtures("rows")
def test_no_parameter_of_a_list_reaches_the_statement_or_breaks_the_page(
    operating: Client, page: ReadOnlyAdmin
) -> None:
    before = (Job.objects.count(), Attempt.objects.count())
    for name in parameters_of(page):
        for text in [*INJECTIONS, *ODD]:
            address = f"/admin/jobs/{page.opts.model_name}/?{urlencode({name: text})}"
            begun = time.thread_time()
            with statements() as texts:
                answer = operating.get(address)
            assert answer.status_code in (200, 302, 400), address[:200]
            assert time.thread_time() - begun < LONGEST_SECONDS
            assert not [sql for sql in texts if MARK in sql], address
            if text in INJECTIONS and answer.status_code == 200 and name in ("q", "queue", "task"):
                assert answer.context["cl"].result_count == 0, address
    assert (Job.objects.count(), Attempt.objects.count()) == before


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.model_name)
def test_a_list_takes_no_condition_that_it_does_not_offer(
    operating: Client, rf: RequestFactory, page: ReadOnlyAdmin
) -> None:
    lookups = ("", "regex", "iregex", "icontains", "startswith", "in", "gt", "range", "isnull", "x__startswith")
    offered = set(parameters_of(page))
    for field in page.opts.get_fields():
        for name in {"__".join(filter(None, (field.name, lookup))) for lookup in lookups} - offered:
            assert not page.lookup_allowed(name, PATTERN, rf.get("/")), name
    address = f"/admin/jobs/{page.opts.model_name}/?{page.opts.pk.name}__regex={urlencode({'': PATTERN})[1:]}"
    assert operating.get(address).status_code == 400


def test_masked_arguments_cannot_be_guessed_through_a_filter(viewing: Client) -> None:
    make_job("queued", task=ADD, args=[1], kwargs={"b": {"password": "hunter2"}})
    for condition in (
        "kwargs__b__password__startswith=h", "kwargs__b__password=hunter2", "kwargs__icontains=hunter2",
        "args__0=1", "result__icontains=x", "meta__x=1", "attempt__traceback__icontains=x", "attempts__message=x",
    ):  # fmt: skip
        assert viewing.get(page("job") + "?" + condition).status_code == 400, condition
    assert viewing.get(page("job") + "?q=hunter2").context["cl"].result_count == 0


@pytest.mark.usefixtures("rows")
def test_no_page_lies_beyond_the_cap(operating: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CappedPaginator, "cap", 2)
    assert operating.get(page("job")).context["cl"].result_count == 2
    with statements() as texts:
        operating.get(page("job") + "?p=2")
        operating.get(page("job") + "?p=9999999999")
        operating.get(page("job") + "?all=1")
    counts = [sql for sql in texts if "COUNT(" in sql and "jobs_job" in sql]
    assert counts
    assert all("LIMIT 2" in sql for sql in counts)
    assert not [sql for sql in texts if "OFFSET" in sql and "OFFSET 0" not in sql]


def test_parameters_of_the_other_pages_change_nothing(operating: Client) -> None:
    for text in [*INJECTIONS, "9" * 5000, "-1", "😀"]:
        query = urlencode({"name[]": text, "range": text, "minutes": text, "since": text, "limit": text, "q": text})
        for path in ("/", "/snapshot.json", "/metrics", "/readyz", "/healthz"):
            with statements() as texts:
                assert operating.get(f"{path}?{query}").status_code in (200, 503), (path, text)
            assert not [sql for sql in texts if MARK in sql]


@pytest.mark.parametrize("key", [INJECTIONS[2], "\x00", "9" * 5000, "_5F_00", ".."])
def test_a_hostile_id_is_not_found(operating: Client, key: str) -> None:
    for model in (listed.opts.model_name for listed in PAGES):
        for part in ("change", "history", "verb/retry", "edit"):
            address = f"/admin/jobs/{model}/{urlencode({'': key})[1:].replace('+', '%20')}/{part}/"
            assert operating.get(address).status_code in (302, 400, 404, 405), address[:100]


def test_a_nul_is_refused_wherever_a_form_can_hold_it(operating: Client) -> None:
    Queue.objects.create(name="mail")
    selected = {"action": "pause", "select_across": "0", "confirmed": "yes"}
    for form in (
        {**selected, "_selected_action": ["mail", "a\x00b"]},
        {**selected, "_selected_action": ["mail"], "reason": "a\x00b"},
        {**selected, "_selected_action": ["mail"], "x\x00": "1"},
    ):
        assert operating.post(page("queue"), form).status_code == 400
    assert operating.post("/admin/login/", {"username": "a\x00", "password": "b"}).status_code == 400
    assert not Queue.objects.filter(paused_at__isnull=False).exists()


def test_too_many_fields_and_too_long_addresses_are_refused(web_server: str, session_of: Any, operator: Any) -> None:
    session = session_of(operator)
    many = {f"f{number}": "x" for number in range(1500)}
    assert ask(web_server, page("job"), form=many, session=session).status == 400
    assert ask(web_server, page("job") + "?q=" + "x" * 200_000, session=session).status in (400, 414)
    assert ask(web_server, "/healthz").status == 200
