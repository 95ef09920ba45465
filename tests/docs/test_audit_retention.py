"""The block of docs/least-privilege.md that deletes old audit rows on SQLite, on a database as a site has it."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.docs.documents import blocks
from tests.support import PROJECT

pytestmark = pytest.mark.one_ledger

PAGE = PROJECT / "docs" / "least-privilege.md"
ROW = "INSERT INTO jobs_auditentry (at, actor, action, target) VALUES (?, 'ann', 'retry', 'job')"
TRIGGERS = "SELECT name, lower(replace(sql, 'IF NOT EXISTS ', '')) FROM sqlite_master WHERE type = 'trigger'"


def test_old_audit_rows_are_deleted_and_the_log_is_append_only_again(tmp_path: Path) -> None:
    file = tmp_path / "site.sqlite3"
    settings = {"DATABASE_URL": f"sqlite:///{file}", "QUEUEHUB_RUNTIME_DIR": str(tmp_path)}
    command = ["env", *(f"{name}={value}" for name, value in settings.items()), sys.executable, "manage.py", "migrate"]
    subprocess.run([*command, "--settings", "queuehub.settings"], cwd=PROJECT, check=True, capture_output=True)
    (block,) = blocks(PAGE, "sqlite")
    with closing(sqlite3.connect(file)) as connection:
        connection.executemany(ROW, [("2020-01-01 00:00:00",), ("2999-01-01 00:00:00",)])
        connection.commit()
        before = set(connection.execute(TRIGGERS))
        connection.executescript(block.text)
        assert connection.execute("SELECT at FROM jobs_auditentry").fetchall() == [("2999-01-01 00:00:00",)]
        assert {(name, " ".join(sql.split())) for name, sql in connection.execute(TRIGGERS)} == {
            (name, " ".join(sql.split())) for name, sql in before
        }
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute("DELETE FROM jobs_auditentry")
