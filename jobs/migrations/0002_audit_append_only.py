"""The database refuses to change or delete audit rows, whoever asks: application code, a form, a stolen session.

PostgreSQL: one trigger per statement. The table's owner may still delete old rows on purpose, after
`SET LOCAL queuehub.audit_retention = 'on'`; no other role may, whatever it sets and whatever it was granted. TRUNCATE
is left to the owner without that word, because Django's `flush` empties test databases by it.

SQLite knows no roles: the triggers stop slips of code, not somebody who may write to the file. Test databases
are left without them, because Django's `flush` deletes their rows one by one.
"""

from typing import Any

from django.db import migrations

# Creating a trigger waits for the transactions that write the table, and others queue up behind it. Rather fail than
# hold up operators for longer; running it again is safe.
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '5s'"

POSTGRESQL_FUNCTION = """
CREATE OR REPLACE FUNCTION jobs_auditentry_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE')
        AND (TG_OP = 'TRUNCATE' OR current_setting('queuehub.audit_retention', true) = 'on') THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$
"""
POSTGRESQL_TRIGGER = """
CREATE TRIGGER jobs_auditentry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON jobs_auditentry
FOR EACH STATEMENT EXECUTE FUNCTION jobs_auditentry_refuse()
"""
POSTGRESQL_REMOVAL = (
    "DROP TRIGGER IF EXISTS jobs_auditentry_append_only ON jobs_auditentry",
    "DROP FUNCTION IF EXISTS jobs_auditentry_refuse()",
)

SQLITE_TRIGGER = """
CREATE TRIGGER IF NOT EXISTS jobs_auditentry_no_{verb} BEFORE {event}
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: {verb} refused'); END
"""
SQLITE_REMOVAL = "DROP TRIGGER IF EXISTS jobs_auditentry_no_{verb}"
SQLITE_EVENTS = {
    "update": "UPDATE ON jobs_auditentry",
    "delete": "DELETE ON jobs_auditentry",
    # INSERT OR REPLACE deletes without asking the triggers of DELETE
    "replace": "INSERT ON jobs_auditentry WHEN EXISTS (SELECT 1 FROM jobs_auditentry WHERE id = NEW.id)",
}


def protect(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for statement in (LOCK_TIMEOUT, POSTGRESQL_FUNCTION, POSTGRESQL_REMOVAL[0], POSTGRESQL_TRIGGER):
            schema_editor.execute(statement, params=None)
    elif schema_editor.connection.vendor == "sqlite" and not _is_test_database(schema_editor.connection):
        for verb, event in SQLITE_EVENTS.items():
            schema_editor.execute(SQLITE_TRIGGER.format(verb=verb, event=event))


def release(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for statement in (LOCK_TIMEOUT, *POSTGRESQL_REMOVAL):
            schema_editor.execute(statement, params=None)
    elif schema_editor.connection.vendor == "sqlite":
        for verb in SQLITE_EVENTS:
            schema_editor.execute(SQLITE_REMOVAL.format(verb=verb))


def _is_test_database(connection: Any) -> bool:
    """Tell whether this is what Django made for tests: a database in memory, or the file that TEST names."""
    settings = connection.settings_dict
    return bool(connection.is_in_memory_db() or settings["NAME"] == settings["TEST"]["NAME"])


class Migration(migrations.Migration):

    dependencies = [("jobs", "0001_initial")]

    operations = [migrations.RunPython(protect, release)]
