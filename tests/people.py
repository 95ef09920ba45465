"""Users as fixtures, and clients that are logged in: who may look, who may repair, who may do everything.

Their password is their name.
"""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

# Django's own verbs of direct editing; the engine's verbs have permissions of their own.
EDITING = ("add_", "change_", "delete_")


def _staff(name: str, permissions: list[Permission]) -> User:
    user = User.objects.create_user(name, password=name, is_staff=True)
    user.user_permissions.set(permissions)
    return user


def _permissions() -> list[Permission]:
    return list(Permission.objects.filter(content_type__app_label="jobs"))


@pytest.fixture
def viewer(db: None) -> User:
    """May look at jobs, queues, workers and schedules, without arguments and results."""
    return _staff(
        "viewer",
        [p for p in _permissions() if p.codename.startswith("view_") and p.codename != "view_payload"],
    )


@pytest.fixture
def operator(db: None) -> User:
    """May look at everything and use every verb, but edit no row directly."""
    return _staff("operator", [p for p in _permissions() if not p.codename.startswith(EDITING)])


@pytest.fixture
def administrator(db: None) -> User:
    """May do everything."""
    return User.objects.create_superuser("administrator", password="administrator")


@pytest.fixture
def viewing(viewer: User) -> Client:
    """A client that may only look."""
    return _logged_in(viewer)


@pytest.fixture
def operating(operator: User) -> Client:
    """A client that may look and use every verb."""
    return _logged_in(operator)


def _logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client
