"""The groups come with their migration, go with it, and belong to the site in between."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission

from jobs import groups

pytestmark = [pytest.mark.fast, pytest.mark.django_db]

NAMES = {"QueueHub viewer", "QueueHub operator", "QueueHub administrator"}


class Planned:
    """A migration in a plan."""

    def __init__(self, app_label: str, name: str) -> None:
        self.app_label, self.name = app_label, name


def migrate(*plan: tuple[str, str, bool]) -> None:
    """Send the signal as `migrate` does after this plan."""
    steps = [(Planned(app_label, name), is_backwards) for app_label, name, is_backwards in plan]
    groups._after_migrate(sender=apps.get_app_config("jobs"), using="default", plan=steps)


def names() -> set[str]:
    return set(Group.objects.values_list("name", flat=True)) & NAMES


def permissions_of(name: str) -> set[str]:
    return set(Group.objects.get(name=f"QueueHub {name}").permissions.values_list("codename", flat=True))


def test_a_fresh_database_has_them_each_with_what_it_needs() -> None:
    assert names() == NAMES
    viewer, operator, administrator = map(permissions_of, ("viewer", "operator", "administrator"))
    assert {codename.partition("_")[0] for codename in viewer} == {"view"}
    assert "view_payload" not in viewer
    assert viewer < operator < administrator
    assert operator - viewer >= {"view_payload", "retry_job", "edit_job", "cancel_job", "discard_job", "pause_queue"}
    assert administrator - operator == {"manage_worker", "export_job"}


def test_every_name_is_that_of_a_permission() -> None:
    known = set(Permission.objects.filter(content_type__app_label="jobs").values_list("codename", flat=True))
    for wanted in groups.GROUPS.values():
        assert set(wanted) <= known


def test_a_later_migrate_leaves_the_site_s_changes_alone() -> None:
    Group.objects.get(name="QueueHub viewer").permissions.clear()
    Group.objects.get(name="QueueHub operator").delete()
    migrate()
    migrate(("shop", "0007_more", False))
    assert names() == NAMES - {"QueueHub operator"}
    assert permissions_of("viewer") == set()


@pytest.mark.parametrize("step", [("jobs", "0015_groups", False), ("auth", "0001_initial", False)])
def test_they_are_made_when_the_app_or_the_users_come(step: Any) -> None:
    Group.objects.filter(name__in=NAMES).delete()
    migrate(step)
    assert names() == NAMES


def test_they_go_with_the_migration_but_not_what_the_site_uses_for_more() -> None:
    other = Permission.objects.exclude(content_type__app_label="jobs").first()
    assert other is not None
    Group.objects.get(name="QueueHub viewer").permissions.add(other)
    migrate(("jobs", "0015_groups", True))
    assert names() == {"QueueHub viewer"}


def test_without_users_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    Group.objects.filter(name__in=NAMES).delete()
    monkeypatch.setattr(groups, "_has_users", lambda using: False)
    migrate(("jobs", "0015_groups", False))
    assert names() == set()
