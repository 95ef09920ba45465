"""The audit log is append-only in SQLite's file too, where no role could be asked."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

COLUMNS = "jobs_auditentry (id, at, actor, action, target, result, reason)"
INSERT = f"INSERT INTO {COLUMNS} VALUES (NULL, '2030-01-01', ?, 'retry', 'job 1', 'done', '')"
REPLACE = INSERT.replace("INSERT", "INSERT OR REPLACE").replace("NULL", "1")


def test_sqlite_appends_audit_rows_and_changes_none(sqlite_file: Path) -> None:
    with closing(sqlite3.connect(sqlite_file)) as connection:
        for actor in ("ann", "ben"):
            connection.execute(INSERT, [actor])
        before = connection.execute("SELECT * FROM jobs_auditentry").fetchall()
        for statement, values in (
            ("UPDATE jobs_auditentry SET actor = ?", ["x"]),
            ("DELETE FROM jobs_auditentry WHERE actor = ?", ["ann"]),
            ("DELETE FROM jobs_auditentry", []),
            (REPLACE, ["x"]),
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement, values)
        assert connection.execute("SELECT * FROM jobs_auditentry").fetchall() == before
        assert len(before) >= 2
