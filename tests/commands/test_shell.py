"""Commands in a real shell: without a ledger, before the first migration, into a pipe, up to Ctrl-C."""

import json
import shlex
import signal
import sys
from pathlib import Path

import pytest
import redis

from tests.conftest import LiveDatabase
from tests.support import Processes, Running, eventually, free_port

pytestmark = [pytest.mark.one_ledger, pytest.mark.timeout(300)]

PATIENCE_SECONDS = 120
MANAGE = f"{shlex.quote(sys.executable)} manage.py"
SITE = {
    "DJANGO_SETTINGS_MODULE": "queuehub.settings",
    "REDIS_URL": "unix:///nowhere/valkey.sock",
    "PYTHONUNBUFFERED": "",  # pipes as shells have them
}


def ended(running: Running) -> tuple[int, str]:
    """Return the exit code and what was written."""
    return running.wait(PATIENCE_SECONDS), running.output


def test_no_ledger_is_one_line_that_says_so(processes: Processes) -> None:
    away = {**SITE, "DATABASE_URL": f"postgres://nobody@127.0.0.1:{free_port()}/nothing"}
    status = processes.manage("jobs_status", "--json", env=away)
    others = [
        processes.manage(*words, env=away)
        for words in (("jobs_pause", "mail"), ("jobs_status", "--why", "01"), ("jobs_sample", "--jobs", "10"))
    ]
    code, text = ended(status)
    told = json.loads(text)
    assert (code, told["ledger"]["is_up"], told["broker"]["is_up"]) == (1, False, False)
    for running in others:
        code, text = ended(running)
        assert (code, text.count("\n")) == (1, 1), text
        assert text.startswith("CommandError: The ledger does not answer: connection ")


def test_before_the_first_migration_each_command_says_what_to_do(processes: Processes, tmp_path: Path) -> None:
    fresh = {**SITE, "DATABASE_URL": f"sqlite:///{tmp_path / 'fresh.sqlite3'}"}
    status = processes.manage("jobs_status", env=fresh)
    retry = processes.manage("jobs_retry", "--filter", "state:dead", env=fresh)
    remedy = "The ledger's tables are missing or of another release: run manage.py migrate (no such table: "
    code, text = ended(status)
    assert (code, text.splitlines()[0].startswith(f"ledger     DOWN: {remedy}")) == (1, True), text
    code, text = ended(retry)
    assert (code, text.startswith(f"CommandError: {remedy}"), text.count("\n")) == (1, True, 1), text


def test_an_output_that_goes_away_or_is_full_shows_no_traceback(processes: Processes, tmp_path: Path) -> None:
    fresh = {**SITE, "DATABASE_URL": f"sqlite:///{tmp_path / 'fresh.sqlite3'}"}
    once = processes.start("bash", "-c", f"{MANAGE} jobs_status | true; echo ended ${{PIPESTATUS[0]}}", env=fresh)
    full = processes.start("bash", "-c", f"{MANAGE} jobs_status > /dev/full; echo ended $?", env=fresh)
    watch = processes.start("bash", "-c", f"{MANAGE} jobs_status --watch 0.2 --json | head -n 2", env=fresh)
    assert ended(once) == (0, "ended 1\n")
    assert ended(full) == (0, "ended 1\n")
    code, text = ended(watch)
    assert (code, [json.loads(line)["ledger"]["is_up"] for line in text.splitlines()]) == (0, [False, False])


def test_ctrl_c_ends_a_watch_in_good_order(processes: Processes, tmp_path: Path) -> None:
    fresh = {**SITE, "DATABASE_URL": f"sqlite:///{tmp_path / 'fresh.sqlite3'}"}
    watch = processes.manage("jobs_status", "--watch", "0.2", "--json", env=fresh)
    # lines come when they are told, though nobody reads at a terminal
    eventually(lambda: watch.output.count("\n") >= 2, PATIENCE_SECONDS)
    watch.send(signal.SIGINT)
    code, text = ended(watch)
    assert (code, "Traceback" in text) == (0, False)


def test_a_terminal_is_told_that_a_process_is_at_work(
    live_database: LiveDatabase, redis_client: redis.Redis, processes: Processes
) -> None:
    terminal = ("script", "--quiet", "--return", "--command")
    worker = processes.start(*terminal, f"{MANAGE} jobs_worker mail --processes 1 --burst", "/dev/null")
    scheduler = processes.start(*terminal, f"{MANAGE} jobs_scheduler", "/dev/null")
    silent = processes.manage("jobs_worker", "--processes", "1", "--burst")
    assert worker.wait(PATIENCE_SECONDS) == 0, worker.output
    assert "Workers: 1, for mail. Ctrl-C stops them in good order." in worker.output
    scheduler.wait_for("Ctrl-C stops it in good order.", PATIENCE_SECONDS)
    assert silent.wait(PATIENCE_SECONDS) == 0
    assert "Ctrl-C" not in silent.output
    assert scheduler.stop(PATIENCE_SECONDS) == 0  # `script` hands the signal on; if it is killed, its child may live on
