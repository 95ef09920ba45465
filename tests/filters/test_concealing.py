"""Filters as people read them who may not see payloads."""

import pytest
from django.contrib.auth.models import User

from jobs.filters import masked, readable_by


@pytest.mark.fast
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("state:dead queue:mail charge", "state:dead queue:mail charge"),
        ("args.0:Meyer state:dead", "args.0:*** state:dead"),
        ('-kwargs.user.name:"Ann Meyer",Bob queue:mail', "-kwargs.user.name:*** queue:mail"),
        ('state:dead error:"no seat for Meyer"', "state:dead error:***"),
        ("ERROR:Meyer", "ERROR:***"),
        ("tag:password=hunter22", "tag:password=***"),
        ("gone:Meyer", "gone:***"),
        ('state:dead "not closed', "***"),
    ],
)
def test_values_that_may_come_from_payloads_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.django_db
def test_who_may_see_payloads_and_commands_read_the_whole_filter(viewer: User, operator: User) -> None:
    told = {actor: readable_by(actor, "args.0:Meyer") for actor in (viewer, operator, "cli:ann")}
    assert told == {viewer: "args.0:***", operator: "args.0:Meyer", "cli:ann": "args.0:Meyer"}
