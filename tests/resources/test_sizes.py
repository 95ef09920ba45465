"""How many bytes a message takes on Redis, and a row in the ledger."""

from collections.abc import Callable

import pytest
import redis
from django.db import connection

from jobs.conf import get_settings
from jobs.models import Job
from jobs.transports import get_transport
from tests.acceptance import tasks
from tests.acceptance.ledger import all_finished
from tests.figures import Figures
from tests.support import Running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

MESSAGE_BYTES = 1000
"""A window of 5,000 messages is to take about 4 MB."""
ROW_BYTES = 2000


def execute(sql: str) -> int:
    """Run one statement; return its first value, 0 if it has none."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone() if cursor.description else None
    return int(row[0]) if row else 0


def ledger_bytes() -> int:
    """Return the bytes of jobs and attempts with their indexes; with SQLite, of all that the file holds."""
    if connection.vendor == "postgresql":
        return execute("SELECT pg_total_relation_size('jobs_job') + pg_total_relation_size('jobs_attempt')")
    pages = execute("PRAGMA page_count") - execute("PRAGMA freelist_count")
    return pages * execute("PRAGMA page_size")


def compact() -> None:
    """Drop what deleted and superseded rows have left."""
    if connection.vendor == "postgresql":
        execute("VACUUM FULL jobs_job")
        execute("VACUUM FULL jobs_attempt")
    else:
        execute("VACUUM")


def test_a_message_takes_less_than_a_kilobyte_and_the_window_bounds_their_number(
    command: Callable[..., Running], redis_client: redis.Redis, figures: Figures
) -> None:
    Job.objects.enqueue(tasks.nothing)
    before = redis_client.info("memory")["used_memory"]
    window = get_settings().window_messages
    for _ in range(20):
        Job.objects.enqueue_many(tasks.nothing, [()] * 1000)
    taken = redis_client.info("memory")["used_memory"] - before
    messages = int(redis_client.llen("rq:queue:default"))
    figures.add(
        bytes_per_message=taken / messages,
        messages=messages,
        backlog=20_001,
        window=window,
        redis_mb=taken / 1e6,
    )
    assert messages <= window + 1000
    assert taken / messages <= MESSAGE_BYTES


def test_a_row_takes_less_than_two_kilobytes_in_each_state(
    command: Callable[..., Running], redis_client: redis.Redis, figures: Figures
) -> None:
    count = 5000
    compact()
    empty = ledger_bytes()
    Job.objects.enqueue_many(tasks.note, [("/dev/null", f"job-{n}") for n in range(count)])
    queued = (ledger_bytes() - empty) / count
    get_transport().close()
    assert command("a", "jobs_worker", "--burst", "--processes", "1").wait(120) == 0
    all_finished(10, succeeded=count)
    finished = (ledger_bytes() - empty) / count
    compact()
    compacted = (ledger_bytes() - empty) / count
    figures.add(
        bytes_per_queued_job=queued,
        bytes_per_finished_job_before_vacuum=finished,
        bytes_per_finished_job=compacted,
    )
    assert queued <= ROW_BYTES
    assert compacted <= ROW_BYTES
