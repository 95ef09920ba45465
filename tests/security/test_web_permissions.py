"""Staff without the permission: 403 and an audit row, for every verb by every way. What to try comes from the code."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from jobs import operations, schedule_verbs
from jobs.admin import verbs as verbs_module
from jobs.admin.confirmation import VerbAdmin
from jobs.admin.editing import EDIT_PERMISSION, EditAdmin
from jobs.admin.reading import ReadOnlyAdmin
from jobs.admin.verbs import Verb
from jobs.errors import NotPermitted
from jobs.lifecycle import operate, stopping
from jobs.models import AuditEntry, Job, Operation, Queue, Schedule, Worker
from jobs.models.worker import Request
from tests.factories import make_job, make_worker

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_transport")]

ADD = "tests.tasks.add"
CONFIRMED = {"confirmed": "yes", "reason": "because"}
PAGES = {model: page for model, page in admin.site._registry.items() if model._meta.app_label == "jobs"}
WAYS = [
    pytest.param(page, verb, id=f"{page.opts.model_name}-{verb.name}")
    for page in PAGES.values()
    if isinstance(page, VerbAdmin)
    for verb in page.verbs
]
ONE_BY_ONE = {Operation}
"""Whose pages have buttons, and whose lists no actions."""
STANDARD_ADDRESSES = {"changelist", "add", "history", "delete", "change"}
WITHOUT_A_VERB = {"export_job", "view_payload"}
"""Permissions that open no verb: one is kept for a verb to come, one opens a view."""


def candidates(model: str) -> Iterator[Any]:
    """Yield objects of a page in every condition."""
    if model in ("job", "deadletter"):
        for state in ("dead", "queued", "running", "cancelled", "succeeded", "scheduled"):
            yield make_job(state, task=ADD, args=[1])
    elif model == "queue":
        yield Queue.objects.create(name="open")
        operate.pause_queue("shut", actor="test")
        yield Queue.objects.get(name="shut")
    elif model == "schedule":
        for is_enabled in (True, False):
            yield Schedule.objects.create(
                name=f"s{is_enabled}", task=ADD, args=[1], every_seconds=60, is_enabled=is_enabled
            )
    elif model == "worker":
        yield make_worker()
    elif model == "operation":
        job = make_job("dead", task=ADD, args=[1])
        running = operations.start(operations.preview("discard", actor="test", ids=[job.pk]), actor="test")
        yield running
        yield operations.finish_now(running)
    else:
        raise AssertionError(f"say here how a {model} is made")


def suited(page: VerbAdmin, verb: Verb) -> Any:
    """Return an object on which the verb is legal: nothing but the permission is in its way."""
    return next(obj for obj in candidates(str(page.opts.model_name)) if not verb.refusal(obj))


def contents() -> list[Any]:
    """Return everything that a verb could change."""
    return [list(model.objects.order_by("pk").values()) for model in (Job, Operation, Queue, Schedule, Worker)]


def refusals() -> int:
    return AuditEntry.objects.filter(result="refused").count()


def page_list(page: ReadOnlyAdmin) -> str:
    return reverse(f"admin:jobs_{page.opts.model_name}_changelist")


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def selected(action: str, key: Any, **more: str) -> dict[str, Any]:
    return {"action": action, "_selected_action": [str(key)], "select_across": "0", **more}


def ways_of(client: Client, page: VerbAdmin, verb: Verb, key: Any) -> list[Callable[[], Any]]:
    """Return every request that could lead to the verb."""
    button, listed = page.url("verb", page.model(pk=key), verb.name), page_list(page)
    on_page = [
        lambda: client.post(button),
        lambda: client.post(button, CONFIRMED),
        lambda: client.post(f"{button}?_popup=1", CONFIRMED),
    ]
    if not page.actions:
        return on_page
    return [
        *on_page,
        lambda: client.post(listed, selected(verb.name, key)),
        lambda: client.post(listed, selected(verb.name, key, index="0")),
        lambda: client.post(listed, selected(verb.name, key, **CONFIRMED)),
        lambda: client.post(listed, {**selected(verb.name, key, **CONFIRMED), "select_across": "1"}),
        lambda: client.post(listed, {**selected("", key, **CONFIRMED), "action": ["", verb.name], "index": "1"}),
        lambda: client.post(listed, {**selected("", key, **CONFIRMED), "action": [verb.name, ""], "index": "0"}),
    ]


@pytest.mark.parametrize(("page", "verb"), WAYS)
def test_a_viewer_is_refused_by_every_way_and_leaves_an_audit_row_each(
    viewing: Client, page: VerbAdmin, verb: Verb
) -> None:
    obj = suited(page, verb)
    before, count = contents(), refusals()
    for number, way in enumerate(ways_of(viewing, page, verb, obj.pk), start=1):
        assert way().status_code == 403
        assert refusals() == count + number
    assert contents() == before
    row = AuditEntry.objects.filter(result="refused").latest("id")
    target = str(page.opts.model_name) if page.actions else page.audit_target(obj)
    assert (row.actor, row.action, row.target) == ("viewer", verb.name, target)


@pytest.mark.parametrize(("page", "verb"), WAYS)
def test_every_other_permission_does_not_help(operator: User, page: VerbAdmin, verb: Verb) -> None:
    obj = suited(page, verb)
    needed = page.permission_for(verb, obj).removeprefix("jobs.")
    operator.user_permissions.remove(Permission.objects.get(codename=needed))
    client, before = logged_in(operator), contents()
    assert all(way().status_code == 403 for way in ways_of(client, page, verb, obj.pk))
    assert contents() == before


@pytest.mark.parametrize(("page", "verb"), WAYS)
def test_a_verb_takes_no_get(operating: Client, page: VerbAdmin, verb: Verb) -> None:
    obj = suited(page, verb)
    before = contents()
    for method in ("get", "head", "put", "patch", "delete"):
        assert getattr(operating, method)(page.url("verb", obj, verb.name), CONFIRMED).status_code == 405
    listed = page_list(page)
    operating.get(listed, selected(verb.name, obj.pk, **CONFIRMED))
    assert contents() == before


@pytest.mark.parametrize("way", ["add", "change", "delete"])
@pytest.mark.parametrize("model", list(PAGES), ids=lambda model: model._meta.model_name)
def test_no_form_adds_changes_or_deletes_for_anybody(
    viewing: Client, administrator: User, model: Any, way: str
) -> None:
    name = f"admin:jobs_{model._meta.model_name}_{way}"
    address = reverse(name) if way == "add" else reverse(name, args=["1"])
    before = contents()
    for number, client in enumerate([viewing, logged_in(administrator)], start=1):
        assert client.post(address, {"post": "yes", "state": "queued", "_save": "1"}).status_code == 403
        assert AuditEntry.objects.filter(result="refused", action=way).count() == number
    assert contents() == before


def test_edit_and_retry_is_refused_with_an_audit_row(viewing: Client) -> None:
    job, before = make_job("dead", task=ADD, args=[1]), refusals()
    pages = [page for page in PAGES.values() if isinstance(page, EditAdmin)]
    for page in pages:
        assert viewing.get(page.url("edit", job)).status_code == 403
        assert viewing.post(page.url("edit", job), {"args": "[2]", "kwargs": "{}", "version": "x"}).status_code == 403
    assert refusals() == before + 2 * len(pages)
    assert Job.objects.get(pk=job.pk).args == [1]


@pytest.mark.parametrize(
    "module", [operate, schedule_verbs, stopping, operations], ids=lambda module: module.__name__
)
def test_every_verb_of_the_engine_itself_refuses_whoever_lacks_the_permission(viewer: User, module: Any) -> None:
    verbs = [
        function
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_")
        if (actor := inspect.signature(function).parameters.get("actor")) and actor.kind is actor.KEYWORD_ONLY
    ]
    assert verbs
    examples = {
        "jobs": [], "ids": [], "names": [], "name": "mail", "queue": "mail", "is_enabled": True, "schedule_id": 1,
        "values": {}, "request": Request.STOP, "verb": "discard",
        "operation": operations.preview("discard", actor="test", ids=[]),
    }  # fmt: skip
    for number, verb in enumerate(verbs, start=1):
        parameters = inspect.signature(verb).parameters.values()
        required = {item.name for item in parameters if item.default is item.empty} - {"actor"}
        with pytest.raises(NotPermitted):
            verb(**{name: examples[name] for name in required}, actor=viewer)
        assert refusals() == number, verb.__name__


def test_nothing_that_exists_is_missing_from_these_tests() -> None:
    defined = {value for value in vars(verbs_module).values() if isinstance(value, Verb)}
    tried = {verb for page in PAGES.values() if isinstance(page, VerbAdmin) for verb in page.verbs}
    assert defined == tried
    for page in PAGES.values():
        assert isinstance(page, ReadOnlyAdmin)
        names = {str(url.name).rpartition("_")[2] for url in page.get_urls() if url.name}
        extra = {"verb"} if isinstance(page, VerbAdmin) else set()
        assert names == STANDARD_ADDRESSES | extra | ({"edit"} if isinstance(page, EditAdmin) else set())
        offered = {action.__name__ for action in page.actions}
        verbs = {verb.name for verb in getattr(page, "verbs", ())}
        assert offered == (set() if page.model in ONE_BY_ONE else verbs)
    opened = {verb.permission.removeprefix("jobs.") for verb in tried} | {EDIT_PERMISSION.removeprefix("jobs.")}
    opened.discard("view_operation")  # to stop one takes the permission of what it does
    declared = {name for model in apps.get_app_config("jobs").get_models() for name, _ in model._meta.permissions}
    assert declared == opened | WITHOUT_A_VERB


def test_the_admins_own_bulk_deletion_does_not_exist(administrator: User) -> None:
    jobs = [make_job("dead", task=ADD, args=[1]) for _ in range(2)]
    client, before = logged_in(administrator), contents()
    for page in PAGES.values():
        answer = client.post(page_list(page), {**selected("delete_selected", jobs[0].pk), "post": "yes"})
        assert answer.status_code in (200, 302, 403)
    assert contents() == before
