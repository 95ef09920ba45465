"""The operator's account: made once, its password shown once."""

import pytest
from django.contrib.auth import authenticate, get_user_model

from demo.accounts import USERNAME, create_operator

pytestmark = pytest.mark.django_db


def test_the_first_call_makes_an_account_whose_printed_password_works():
    name, _, password, *_ = create_operator().split()
    assert authenticate(username=name, password=password).is_superuser


def test_an_existing_superuser_is_kept_and_no_password_is_shown():
    get_user_model().objects.create_superuser("anna", password="secret")
    line = create_operator()
    assert "changepassword anna" in line
    assert "secret" not in line
    assert not get_user_model().objects.filter(username=USERNAME).exists()
