"""The tables in which rows change at each step of a job are cleared early."""

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db


def test_autovacuum_comes_early_to_the_tables_that_change_all_the_time() -> None:
    if connection.vendor != "postgresql":
        return  # SQLite leaves no dead rows
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, reloptions FROM pg_class WHERE relname IN ('jobs_job', 'jobs_statistic')")
        settings = {name: set(options) for name, options in cursor.fetchall()}
    assert "autovacuum_vacuum_scale_factor=0.02" in settings["jobs_job"]
    assert "autovacuum_vacuum_scale_factor=0.1" in settings["jobs_statistic"]
