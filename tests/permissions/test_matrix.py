"""Verb, role and way: whoever may is let and named in the audit log; whoever may not is refused, and noted there."""

import runpy
from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from jobs.admin import verbs as admin_verbs
from jobs.groups import GROUPS
from jobs.models import AuditEntry, Job, Queue, Schedule, Worker
from jobs.operations import BULK_VERBS
from tests.permissions.cases import CASES, Case
from tests.permissions.ways import Person, Way
from tests.support import PROJECT

WAYS = [
    pytest.param(case, way, id=f"{case.name}-{name}-{number}")
    for case in CASES
    for name, ways in case.ways.items()
    for number, way in enumerate(ways)
]


@pytest.fixture
def people(db: None) -> dict[str, Person]:
    """Staff by the group that they are in; "" is in none."""
    found = {}
    for number, name in enumerate(["", *GROUPS]):
        user = User.objects.create_user(f"person{number}", is_staff=True)
        if name:
            user.groups.add(Group.objects.get(name=name))
        found[name] = Person.of(user)
    return found


def contents() -> list[Any]:
    """Return everything that a verb could change."""
    return [list(model.objects.order_by("pk").values()) for model in (Job, Queue, Schedule, Worker)]


@pytest.mark.matrix
@pytest.mark.parametrize(("case", "way"), WAYS)
def test_each_role_is_let_or_refused_by_each_way(people: dict[str, Person], case: Case, way: Way) -> None:
    for name, person in people.items():
        may = set(case.permissions) <= set(GROUPS.get(name, ()))
        target = case.make()
        before = contents()
        assert way(person, target) == may, name or "nobody"
        entries = AuditEntry.objects.filter(actor=person.user.username)
        assert entries.filter(result="done", target=target.name).exists() == may, name or "nobody"
        if not may:
            assert entries.exclude(result="refused").count() == 0
            assert contents() == before
            # without any group, the page itself is closed before the verb is known
            assert entries.exists() or not name


def test_the_page_on_permissions_is_made_of_this_matrix() -> None:
    page = runpy.run_path(str(PROJECT / "docs" / "generate_permissions.py"))["page"]()
    text = (PROJECT / "docs" / "permissions.md").read_text(encoding="utf-8")
    assert text == page, "run python docs/generate_permissions.py"


def test_the_matrix_has_every_verb_there_is() -> None:
    text = " ".join(case.name for case in CASES)
    spoken = {"restore": "undo", "run_now": "run now", "move": "move to a queue", "empty": "empty a queue"}
    for name in BULK_VERBS:
        assert spoken.get(name, name) in text
    for verb in vars(admin_verbs).values():
        if isinstance(verb, admin_verbs.Verb):
            assert spoken.get(verb.name, verb.name) in text
