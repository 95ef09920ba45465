"""Files by which supervisors know whether pools and schedulers live, and the command that reads them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from jobs.heartbeat_file import HeartbeatFile, signs
from jobs.host import process_started_at
from tests.support import Running, eventually, free_port

MODULE = "tests.metrics.health_settings"


@pytest.fixture
def directory(settings: Any, tmp_path: Path) -> Path:
    """Let this process write and read files there."""
    settings.QUEUEHUB = {**settings.QUEUEHUB, "HEARTBEAT_DIRECTORY": str(tmp_path)}
    return tmp_path


def health(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Run the command here; return its exit code and its sentence."""
    code = 0
    try:
        call_command("jobs_health", "--role", "worker", *words)
    except SystemExit as error:
        code = int(error.code or 0)
    return code, capsys.readouterr().out.strip()


@pytest.mark.fast
def test_without_a_directory_nothing_is_written_and_the_command_says_what_to_set(capsys: Any) -> None:
    assert HeartbeatFile("worker").path is None
    with pytest.raises(CommandError, match="HEARTBEAT_DIRECTORY"):
        health(capsys)


@pytest.mark.fast
def test_a_fresh_sign_is_alive_and_an_old_one_and_none_are_not(directory: Path, capsys: Any) -> None:
    code, said = health(capsys)
    assert (code, said) == (1, f"No worker that lives here has a file in {directory}.")
    HeartbeatFile("scheduler").renew(is_beating=True)
    assert health(capsys)[0] == 1, "a scheduler is no worker"
    HeartbeatFile("worker").renew(is_beating=False)
    assert health(capsys) == (0, "The worker is alive.")
    assert health(capsys, "--ready") == (1, f"The worker with pid {os.getpid()} does not reach the ledger.")
    assert health(capsys, "--pid", "1")[0] == 1
    code, said = health(capsys, "--max-age", "1e-9")
    assert (code, "gave its last sign of life" in said) == (1, True)


@pytest.mark.fast
def test_a_file_of_a_process_that_is_gone_or_another_by_now_is_no_sign(directory: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    told = {"pid_started_at": process_started_at(os.getpid()), "renewed_seconds": time.monotonic(), "is_beating": True}
    (directory / f"worker-{ended.pid}.json").write_text(json.dumps(told))
    (directory / f"worker-{os.getpid()}.json").write_text(json.dumps(told | {"pid_started_at": 1.0}))
    (directory / "worker-7.json").write_text("{")
    assert signs("worker") == []


@pytest.mark.fast
def test_a_full_disk_ends_nothing(directory: Path, caplog: pytest.LogCaptureFixture, settings: Any) -> None:
    settings.QUEUEHUB = {**settings.QUEUEHUB, "HEARTBEAT_DIRECTORY": str(directory / "missing")}
    file = HeartbeatFile("worker")
    file.renew(is_beating=True)
    assert "cannot write" in caplog.text


@pytest.mark.one_ledger
def test_redis_away_makes_a_worker_not_ready_and_a_frozen_or_ended_one_is_dead(
    manage: Callable[..., Running], directory: Path
) -> None:
    environment = {"DJANGO_SETTINGS_MODULE": MODULE, "TEST_HEARTBEAT_DIRECTORY": str(directory)}

    def asked(*words: str, **more: str) -> tuple[int, str]:
        running = manage("jobs_health", *words, env={**environment, **more})
        return running.wait(60), running.output.strip()

    pool = manage("jobs_worker", "--processes", "1", env=environment)
    leader = manage("jobs_scheduler", env=environment)
    for role in ("worker", "scheduler"):
        eventually(lambda role=role: list(directory.glob(f"{role}-*.json")), 60)
    assert asked("--role", "scheduler", "--ready") == (0, "The scheduler is ready.")
    assert asked("--role", "worker", "--ready") == (0, "The worker is ready.")
    away = {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    assert asked("--role", "worker", **away) == (0, "The worker is alive.")
    code, said = asked("--role", "worker", "--ready", **away)
    assert (code, said.startswith("The broker does not answer")) == (1, True)
    pool.send(signal.SIGSTOP)
    code, said = asked("--role", "worker", "--max-age", "0.5")
    assert (code, "gave its last sign of life" in said) == (1, True)
    pool.send(signal.SIGCONT)
    assert (pool.stop(40), leader.stop(40)) == (0, 0)
    assert list(directory.glob("*.json")) == []
