"""What migrations do on tables that are large and in use."""

from typing import Any

from django.db.migrations import AddIndex, RemoveIndex, RunPython

# ALTER TABLE waits for the transactions that use the table, and everybody else queues up behind it. Rather fail than
# hold up the workers for longer; running the migration again is safe.
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '5s'"


def _limit_waits(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(LOCK_TIMEOUT, params=None)


def limited_waits() -> RunPython:
    """Return the first operation of a migration that alters tables in use."""
    return RunPython(_limit_waits, _limit_waits)


class AddIndexOnline(AddIndex):
    """Add an index while others write, where the database can; the migration must have `atomic = False`.

    What an interrupted try left, an index that PostgreSQL calls invalid, is replaced.
    """

    atomic = False

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.index.name)}")
            schema_editor.add_index(model, self.index, concurrently=True)
        else:
            schema_editor.add_index(model, self.index)


class RemoveIndexOnline(RemoveIndex):
    """Remove an index while others write, where the database can; the migration must have `atomic = False`."""

    atomic = False

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        elif self.allow_migrate_model(schema_editor.connection.alias, to_state.apps.get_model(app_label, self.model_name)):
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.name)}")
