"""Every change of a job's state, noted by a trigger of the database: also those inside a verb, and those of a race."""

from uuid import UUID

from django.db import connection

Move = tuple[UUID, str, str]  # job, state before ("" for an insert), state after

_TABLE = {
    "postgresql": "CREATE TABLE observed_move (id bigserial PRIMARY KEY, job uuid, source text, target text)",
    "sqlite": "CREATE TABLE observed_move (id integer PRIMARY KEY AUTOINCREMENT, job text, source text, target text)",
}
_TRIGGERS = {
    "postgresql": (
        """
        CREATE FUNCTION observe_move() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'INSERT' THEN
                INSERT INTO observed_move (job, source, target) VALUES (NEW.id, '', NEW.state);
            ELSIF NEW.state IS DISTINCT FROM OLD.state THEN
                INSERT INTO observed_move (job, source, target) VALUES (NEW.id, OLD.state, NEW.state);
            END IF;
            RETURN NULL;
        END $$
        """,
        "CREATE TRIGGER observe_move AFTER INSERT OR UPDATE ON jobs_job FOR EACH ROW EXECUTE FUNCTION observe_move()",
    ),
    "sqlite": (
        "CREATE TRIGGER observe_insert AFTER INSERT ON jobs_job BEGIN"
        " INSERT INTO observed_move (job, source, target) VALUES (NEW.id, '', NEW.state); END",
        "CREATE TRIGGER observe_update AFTER UPDATE ON jobs_job WHEN NEW.state IS NOT OLD.state BEGIN"
        " INSERT INTO observed_move (job, source, target) VALUES (NEW.id, OLD.state, NEW.state); END",
    ),
}
_REMOVAL = {
    "postgresql": ("DROP TRIGGER observe_move ON jobs_job", "DROP FUNCTION observe_move", "DROP TABLE observed_move"),
    "sqlite": ("DROP TRIGGER observe_insert", "DROP TRIGGER observe_update", "DROP TABLE observed_move"),
}
_LEDGER = ("jobs_job", "jobs_attempt", "jobs_statistic", "jobs_worker", "jobs_queue", "observed_move")


def observe() -> None:
    """Begin to note the moves."""
    _do(_TABLE[connection.vendor], *_TRIGGERS[connection.vendor])


def stop_observing() -> None:
    """Take the trigger and its table away."""
    _do(*_REMOVAL[connection.vendor])


def moves(after: int = 0) -> tuple[list[Move], int]:
    """Return the moves noted after the one with number `after`, in their order, and the number of the last one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, job, source, target FROM observed_move WHERE id > %s ORDER BY id", [after])
        rows = cursor.fetchall()
    found = [(job if isinstance(job, UUID) else UUID(job), source, target) for _, job, source, target in rows]
    return found, rows[-1][0] if rows else after


def empty_ledger() -> None:
    """Remove all jobs with everything that belongs to them, and the noted moves; the audit log stays."""
    if connection.vendor == "postgresql":
        _do(f"TRUNCATE {', '.join(_LEDGER)}")
    else:
        _do(*(f"DELETE FROM {table}" for table in _LEDGER))


def _do(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
