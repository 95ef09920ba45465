"""QUEUEHUB["SCHEDULES"] and the rows: created, updated, disabled, and an operator's edit wins."""

from typing import Any

import pytest
from django.core.management import call_command

from jobs.declared import read_declared, sync_declared
from jobs.errors import InvalidJob
from jobs.models import Schedule
from tests.time.conftest import TICK

pytestmark = pytest.mark.django_db


@pytest.fixture
def declare(settings: Any) -> Any:
    Schedule.objects.all().delete()

    def declare(**schedules: Any) -> None:
        settings.QUEUEHUB = {**settings.QUEUEHUB, "SCHEDULES": schedules}
        sync_declared()

    return declare


def test_a_declared_schedule_becomes_a_row_and_follows_its_declaration(declare: Any) -> None:
    declare(nightly={"task": TICK, "cron": "0 3 * * *", "timezone": "Europe/Berlin", "args": (1,)})
    row = Schedule.objects.get()
    assert (row.cron, row.timezone, row.args, row.is_enabled, row.is_edited) == (
        "0 3 * * *", "Europe/Berlin", [1], True, False,
    )  # fmt: skip
    declare(nightly={"task": TICK, "every_seconds": 60})
    row.refresh_from_db()
    assert (row.cron, row.every_seconds, row.timezone, row.is_edited) == ("", 60, "UTC", False)


def test_syncing_twice_changes_nothing(declare: Any, django_assert_max_num_queries: Any) -> None:
    declare(nightly={"task": TICK, "every_seconds": 60})
    before = Schedule.objects.values().get()
    with django_assert_max_num_queries(6):
        sync_declared()
    assert Schedule.objects.values().get() == before


def test_an_operators_edit_wins_and_is_marked(declare: Any) -> None:
    declare(nightly={"task": TICK, "every_seconds": 60})
    Schedule.objects.update(every_seconds=90)
    declare(nightly={"task": TICK, "every_seconds": 120})
    row = Schedule.objects.get()
    assert (row.every_seconds, row.is_edited) == (90, True)
    assert row.declared["every_seconds"] == 120
    declare(nightly={"task": TICK, "every_seconds": 150})
    row.refresh_from_db()
    assert (row.every_seconds, row.is_edited) == (90, True)


def test_an_edit_taken_back_follows_the_declaration_again(declare: Any) -> None:
    declare(nightly={"task": TICK, "every_seconds": 60})
    Schedule.objects.update(every_seconds=90)
    sync_declared()
    Schedule.objects.update(every_seconds=60)
    sync_declared()
    assert not Schedule.objects.get().is_edited
    declare(nightly={"task": TICK, "every_seconds": 120})
    assert Schedule.objects.get().every_seconds == 120


def test_a_schedule_switched_off_by_an_operator_stays_off(declare: Any) -> None:
    declare(nightly={"task": TICK, "every_seconds": 60})
    Schedule.objects.update(is_enabled=False)
    sync_declared()
    row = Schedule.objects.get()
    assert (row.is_enabled, row.is_edited) == (False, True)


def test_a_declaration_that_is_gone_disables_its_row_and_enables_it_again(declare: Any) -> None:
    declare(nightly={"task": TICK, "every_seconds": 60})
    declare()
    assert not Schedule.objects.get().is_enabled
    declare()
    declare(nightly={"task": TICK, "every_seconds": 60})
    row = Schedule.objects.get()
    assert (row.is_enabled, row.is_edited) == (True, False)


def test_an_edited_row_survives_the_end_of_its_declaration(declare: Any) -> None:
    declare(nightly={"task": TICK, "every_seconds": 60})
    Schedule.objects.update(every_seconds=90)
    declare()
    row = Schedule.objects.get()
    assert (row.is_enabled, row.every_seconds, row.declared) == (True, 90, None)


def test_an_operators_own_schedule_is_left_alone(declare: Any) -> None:
    Schedule.objects.create(name="mine", task=TICK, every_seconds=5)
    declare()
    assert Schedule.objects.get(name="mine").is_enabled
    declare(mine={"task": TICK, "every_seconds": 60})
    row = Schedule.objects.get(name="mine")
    assert (row.every_seconds, row.is_edited) == (5, True)


def test_a_bad_declaration_is_left_out_and_the_others_are_not(declare: Any, caplog: Any) -> None:
    declare(bad={"task": TICK}, good={"task": TICK, "every_seconds": 60})
    assert [row.name for row in Schedule.objects.all()] == ["good"]
    assert "'bad'" in caplog.text


def test_migrate_synchronises(settings: Any) -> None:
    Schedule.objects.all().delete()
    settings.QUEUEHUB = {**settings.QUEUEHUB, "SCHEDULES": {"nightly": {"task": TICK, "every_seconds": 60}}}
    call_command("migrate", verbosity=0)
    assert Schedule.objects.get().name == "nightly"


@pytest.mark.parametrize(
    ("declaration", "field"),
    [
        ("tick", "nightly"),
        ({"task": TICK, "every": 5}, "every"),
        ({"task": TICK}, "cron, every_seconds"),
        ({"task": "no.such", "every_seconds": 5}, "task"),
        ({"task": TICK, "every_seconds": 5, "args": [1, 2]}, "args"),
        ({"task": TICK, "every_seconds": 5, "is_enabled": "yes"}, "is_enabled"),
        ({"task": TICK, "every_seconds": 5, "queue": "no blanks"}, "queue"),
    ],
)
def test_a_bad_declaration_names_its_key(declaration: Any, field: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        read_declared("nightly", declaration)
    assert caught.value.field == field
