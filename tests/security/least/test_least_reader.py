"""Who may only look can watch the site: every figure of /metrics, and the status; arguments stay out of reach."""

import psycopg
import pytest

from tests.metrics.scraping import parsed, value
from tests.security.least.conftest import Start
from tests.security.least.servers import Ledger

SCRAPE = "import django; django.setup(); from dashboards import metrics; print(metrics.text().decode())"
SCHEDULE = "INSERT INTO jobs_schedule (name, task, every_seconds, last_error) VALUES ('broken', 'x', 1, 'no task')"


@pytest.mark.slow
def test_the_reader_sees_every_metric_and_the_status(ledger: Ledger, start: Start) -> None:
    ledger.rows("INSERT INTO jobs_job (task, queue) VALUES ('x', 'mail')")
    ledger.rows(SCHEDULE)
    scrape, status = start("reader", "-c", SCRAPE), start("reader", "manage.py", "jobs_status")
    assert scrape.wait(60) == 0
    families = parsed(scrape.output)
    assert value(families["queuehub_broker_up"]) == value(families["queuehub_ledger_up"]) == 1
    assert value(families["queuehub_queue_jobs"], queue="mail", state="queued") == 1
    assert value(families["queuehub_schedules"], state="failing") == 1
    assert families.keys() >= {"queuehub_ledger_drift_jobs", "queuehub_jobs_finished", "queuehub_scheduler_leader"}
    status.wait(60)
    assert "mail" in status.output
    assert "permission denied" not in status.output + scrape.output + ledger.log


@pytest.mark.parametrize("column", ["args", "kwargs", "declared"])
def test_the_reader_sees_no_arguments_of_schedules(migrated: Ledger, column: str) -> None:
    with (
        psycopg.connect(migrated.url("reader")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(f"SELECT {column} FROM jobs_schedule")
