"""What a task writes by context.log() is kept with its attempt, within a bound and without secrets."""

import pytest

from jobs.models import Attempt
from jobs.task_log import MOST_BYTES, TaskLog
from tests.engine.runs import finished
from tests.operations import tasks

pytestmark = pytest.mark.fast


def lines_of(log: TaskLog) -> list[str]:
    assert log.text is not None
    return log.text.splitlines()


def test_each_line_says_when_it_was_written_and_holds_no_secret() -> None:
    log = TaskLog()
    assert log.text is None
    log.write("first\nsecond, token=abcdefgh\x1b[31m")
    log.write("")
    first, second, third = lines_of(log)
    assert first.split()[1:] == ["first"]
    assert float(first.split()[0]) >= 0
    assert second.strip() == "second, token=***"
    assert len(third.split()) == 1


@pytest.mark.lingers
def test_a_long_log_keeps_its_ends_and_says_how_much_is_missing() -> None:
    log = TaskLog()
    for number in range(10_000):
        log.write(f"line {number} {'é' * 20}")
    text = log.text
    assert text is not None
    assert MOST_BYTES * 0.9 < len(text.encode()) <= MOST_BYTES
    lines = text.splitlines()
    assert "line 0 " in lines[0]
    assert "line 9999 " in lines[-1]
    (notice,) = [line for line in lines if "cut" in line]
    assert notice == f"… [{10_000 - len(lines) + 1} entries cut] …"


def test_one_huge_entry_is_cut() -> None:
    log = TaskLog()
    log.write("x" * 10_000_000)
    assert len(lines_of(log)) <= 3
    assert len((log.text or "").encode()) < 9_000


@pytest.mark.django_db
@pytest.mark.parametrize("fails", [False, True])
def test_the_log_stands_with_the_attempt_however_it_ended(fails: bool) -> None:
    job = finished(tasks.chatter, fails=fails)
    log = Attempt.objects.get(job=job).log
    assert [line.strip() for line in log.splitlines()][1::2] == ["of two, password=***"] * 2


@pytest.mark.django_db(transaction=True)
def test_an_atomic_task_keeps_its_log() -> None:
    job = finished(tasks.atomic_chatter)
    assert "inside" in Attempt.objects.get(job=job).log


@pytest.mark.django_db
def test_silence_leaves_nothing() -> None:
    job = finished(tasks.chatter, lines=0)
    assert Attempt.objects.get(job=job).log is None
