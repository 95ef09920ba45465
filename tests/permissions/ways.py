"""The ways in which a person reaches a verb. Each takes who acts and a case, and tries it once.

What came of it stands in the audit log; a refusal must look like one to whoever asked, too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from jobs.errors import NotPermitted
from jobs.models import Operation
from tests.admin.conftest import page
from tests.commands.calling import run

CONFIRMED = {"confirmed": "yes", "reason": "because"}


@dataclass(frozen=True)
class Person:
    """Somebody who is logged in."""

    user: User
    client: Client

    @classmethod
    def of(cls, user: User) -> "Person":
        client = Client()
        client.force_login(user)
        return cls(user, client)


@dataclass(frozen=True)
class Target:
    """What a verb is tried on; `row` is asked for a key, `name` is what the audit log calls it."""

    row: Any
    name: str


Way = Callable[[Person, Target], bool]
"""Returns whether whoever tried was let."""


def engine(perform: Callable[[User, Any], Any]) -> Way:
    """Call the verb itself."""

    def way(person: Person, target: Target) -> bool:
        try:
            perform(person.user, target.row)
        except NotPermitted:
            return False
        return True

    return way


def form(name: str, *parts: str, **fields: Any) -> Way:
    """Post a form of the dashboard."""

    def way(person: Person, target: Target) -> bool:
        address = reverse(f"dashboards:{name}", args=[target.row.pk, *parts])
        return _was_let(person.client.post(address, fields))

    return way


def edit_form(name: str, **fields: Any) -> Way:
    """Fill in a form of the dashboard that shows what is there, and confirm what it shows then."""

    def way(person: Person, target: Target) -> bool:
        address = reverse(f"dashboards:{name}", args=[target.row.pk])
        if person.client.get(address).status_code == 403:
            return _was_let(person.client.post(address, fields))
        shown = person.client.get(address)
        given = {**fields, "version": shown.context["form"]["version"].value()}
        answer = person.client.post(address, given)
        if answer.status_code == 200 and (checked := (answer.context or {}).get("checked")):
            answer = person.client.post(address, {**given, "checked": checked})
        return _was_let(answer)

    return way


def bulk(verb: str, **fields: Any) -> Way:
    """Preview and start a bulk operation by the forms of the dashboard."""

    def way(person: Person, target: Target) -> bool:
        asked = {"verb": verb, "ids": [str(target.row.pk)], **fields}
        if not _was_let(person.client.post(reverse("dashboards:operation_preview"), asked)):
            return False
        key = Operation.objects.latest("pk").pk
        return _was_let(person.client.post(reverse("dashboards:operation_act", args=[key, "start"])))

    return way


def button(model: str, verb: str) -> Way:
    """Press a button of an object's page in the admin."""
    return lambda person, target: _was_let(
        person.client.post(page(model, target.row.pk, "verb", verb), CONFIRMED)
    )


def action(model: str, verb: str) -> Way:
    """Use an action of a list in the admin."""

    def way(person: Person, target: Target) -> bool:
        chosen = {"action": verb, "_selected_action": [str(target.row.pk)], "select_across": "0", **CONFIRMED}
        return _was_let(person.client.post(page(model), chosen))

    return way


def admin_edit(**fields: Any) -> Way:
    """Use the admin's page "Edit and retry"."""

    def way(person: Person, target: Target) -> bool:
        address = page("job", target.row.pk, "edit")
        shown = person.client.get(address)
        version = shown.context["form"]["version"].value() if shown.status_code == 200 else ""
        return _was_let(person.client.post(address, {**fields, "version": version}))

    return way


def command(name: str, *words: str) -> Way:
    """Call a command in the name of the person."""

    def way(person: Person, target: Target) -> bool:
        ended = run(name, str(target.row.pk), *words, "--actor", person.user.get_username())
        if ended.code == 0:
            return True
        assert (ended.code, "lacks the permission" in ended.err) == (2, True), ended
        return False

    return way


def _was_let(answer: Any) -> bool:
    assert answer.status_code in (302, 403), (answer.status_code, answer.content[:2000])
    return bool(answer.status_code == 302)
