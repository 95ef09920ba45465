"""The end of a demo: whoever ends it, and however, no process stays behind."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support import eventually

PROJECT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def running_demo(tmp_path):
    """A demo whose pages answer; what is left of it is killed at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    dropped = {"DATABASE_URL", "REDIS_URL", "PORT", "QUEUEHUB_ENV", "DJANGO_SETTINGS_MODULE"}
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    log_path = tmp_path / "demo.log"
    with log_path.open("wb") as log:
        demo = subprocess.Popen(
            [sys.executable, "manage.py", "demo", "--port", str(port)],
            cwd=PROJECT,
            env={**environment, "QUEUEHUB_RUNTIME_DIR": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: "jobs done" in log_path.read_text(), timeout_seconds=90, message="no progress")
        yield demo
    finally:
        for process in processes_of(tmp_path):
            process.kill()
        demo.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_demo(running_demo, tmp_path, number):
    assert len(processes_of(tmp_path)) >= 5  # the demo, Valkey, web, pool with its children, scheduler
    running_demo.send_signal(number)
    assert running_demo.wait(40) == (-number if number == signal.SIGKILL else 0)
    wait_seconds = 30 if number == signal.SIGKILL else 1
    eventually(lambda: not processes_of(tmp_path), timeout_seconds=wait_seconds, message="a process is left")
    assert "Traceback" not in (tmp_path / "demo.log").read_text()


def test_a_second_demo_on_the_same_directory_is_refused_in_one_line(running_demo, tmp_path):
    second = subprocess.run(
        [sys.executable, "manage.py", "demo", "--once"],
        cwd=PROJECT,
        env={**os.environ, "QUEUEHUB_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert "a demo runs already" in second.stderr
    assert running_demo.poll() is None


def processes_of(directory: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if belongs_to(process, directory)]


def belongs_to(process: psutil.Process, directory: Path) -> bool:
    try:
        is_ours = process.environ().get("QUEUEHUB_RUNTIME_DIR") == str(directory)
        return is_ours and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
