"""Let PostgreSQL clear the tables in which rows change at each step of a job sooner than by its defaults.

A job leaves two dead versions of its row, and entries in the indexes of the states that it has left: with a million
finished jobs, the default waits for 200,000 of them, while every look for the next job of a backlog passes them by.
"""

from typing import Any

from django.db import migrations

from jobs.migrations._online import limited_waits

SETTINGS = {
    "jobs_job": {"autovacuum_vacuum_scale_factor": "0.02", "autovacuum_vacuum_threshold": "5000"},
    "jobs_statistic": {"autovacuum_vacuum_scale_factor": "0.1", "autovacuum_vacuum_threshold": "1000"},
}


def _set(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for table, settings in SETTINGS.items():
            values = ", ".join(f"{name} = {value}" for name, value in settings.items())
            schema_editor.execute(f"ALTER TABLE {table} SET ({values})")


def _reset(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for table, settings in SETTINGS.items():
            schema_editor.execute(f"ALTER TABLE {table} RESET ({', '.join(settings)})")


class Migration(migrations.Migration):
    dependencies = [("jobs", "0017_audit_alone")]

    operations = [limited_waits(), migrations.RunPython(_set, _reset)]
