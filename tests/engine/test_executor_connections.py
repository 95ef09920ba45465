"""What a run leaves on its connection is gone before the next one."""

import pytest
from django.db import connection

from jobs import executor


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_django_does_not_know_of_is_ended() -> None:
    connection.ensure_connection()
    raw = connection.connection
    if connection.vendor == "sqlite":
        raw.execute("BEGIN IMMEDIATE")  # as a time-out leaves it that strikes while BEGIN waits for the lock
    else:
        raw.execute("BEGIN")
        raw.execute("SELECT 1")
    executor.tidy_connections()
    assert connection.connection is None
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_broke_between_two_runs_is_renewed() -> None:
    connection.ensure_connection()
    executor.tidy_connections()
    if connection.vendor == "postgresql":  # a file does not break
        connection.connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
