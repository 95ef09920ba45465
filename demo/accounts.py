"""The operator's account of a fresh demo."""

import secrets

from django.contrib.auth import get_user_model

USERNAME = "operator"


def create_operator() -> str:
    """Create a superuser with a random password unless there is one, and return how to log in, in words."""
    users = get_user_model().objects
    existing = users.filter(is_superuser=True, is_active=True).first()
    if existing is not None:
        name = existing.get_username()
        return f"{name} (a new password: manage.py changepassword {name})"
    password = secrets.token_urlsafe(9)
    users.create_superuser(USERNAME, password=password)
    return f"{USERNAME} / {password} (shown once)"
