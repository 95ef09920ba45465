"""What could come next in a filter is offered, and what is offered can be used."""

import pytest
from django.contrib.auth.models import User

from jobs.filters import FIELDS, Search, parse, suggest
from jobs.lifecycle import operate
from tests.factories import make_worker

pytestmark = pytest.mark.django_db


def texts(text: str, position: int | None = None) -> list[str]:
    return [each.text for each in suggest(text, position, actor="test")]


def test_fields_are_offered_by_their_beginning() -> None:
    assert texts("") == [f"{name}{'.' if field.has_path else ':'}" for name, field in FIELDS.items()]
    assert texts("st") == ["state:"]
    assert texts("state:dead -Qu") == ["-queue:"]
    assert texts("k") == ["key:", "kwargs."]
    assert texts("zzz") == []


def test_who_may_not_see_payloads_is_not_offered_them(viewer: User, operator: User) -> None:
    assert {each.text for each in suggest("", actor=operator)} - {each.text for each in suggest("", actor=viewer)} == {
        "args.", "kwargs.",
    }  # fmt: skip


def test_values_are_offered_where_they_belong() -> None:
    operate.pause_queue("mail", actor="test")
    make_worker("web-3:1")
    assert texts("state:")[0] == "scheduled"
    assert texts("state:dead,re") == ["retrying"]
    assert texts("-state:d")[0] == "dead"
    assert "mail" in texts("queue:ma")
    assert texts("task:engine.tasks.lett") == ["tests.engine.tasks.letter"]
    assert texts("worker:") == ['"web-3:1"']
    assert texts("created:")[:2] == [">-15m", ">-1h"]
    assert texts("wait:>1") == [">10s", ">1m", ">10m", ">1h"]
    assert texts("kwargs.user.id:") == []
    assert texts("nothing:x") == []


def test_a_suggestion_takes_the_place_of_what_it_completes() -> None:
    text = "state:dead,re queue:x"
    (found,) = suggest(text, len("state:dead,re"), actor="test")
    assert text[: found.start] + found.text + text[found.end :] == "state:dead,retrying queue:x"
    assert texts('error:"no such ho st', 8) == texts("error:x", 6)


@pytest.mark.parametrize("text", ["", "-", "state:", "created:", "wait:", "queue:", "task:"])
def test_whatever_is_offered_can_be_used(text: str) -> None:
    offered = suggest(text, actor="test")
    assert offered
    for each in offered:  # the names of fields want a value yet
        whole = text[: each.start] + each.text
        if whole[-1] not in ":.":
            Search(parse(whole), actor="test").page()


def test_the_examples_of_all_fields_can_be_used() -> None:
    for field in FIELDS.values():
        for example in parse(field.example).terms:
            assert example.field == field.name
        Search(parse(field.example), actor="test").page()
