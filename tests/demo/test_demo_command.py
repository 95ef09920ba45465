"""`manage.py demo` as a user types it: its one-line errors, and a whole run."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def demo(tmp_path):
    """Run `manage.py demo` with SQLite and the embedded server in a directory of its own."""

    def run(*arguments, timeout_seconds=60, **variables):
        dropped = {"DATABASE_URL", "REDIS_URL", "PORT", "QUEUEHUB_ENV", "DJANGO_SETTINGS_MODULE"}
        environment = {name: value for name, value in os.environ.items() if name not in dropped}
        return subprocess.run(
            [sys.executable, "manage.py", "demo", *arguments],
            cwd=PROJECT,
            env={**environment, "QUEUEHUB_RUNTIME_DIR": str(tmp_path), **variables},
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            stdin=subprocess.DEVNULL,
        )

    return run


def test_a_busy_port_is_one_line_and_exit_code_2(demo):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = demo("--port", str(port))
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert f"port {port}" in result.stderr
    assert f"PORT={port + 1 if port < 65535 else 8000}" in result.stderr


@pytest.mark.parametrize("port", ["http", "0", "70000", "-1"])
def test_a_port_that_is_none_is_one_line_and_exit_code_2(demo, port):
    result = demo(PORT=port)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "PORT=8001" in result.stderr


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_demo_once_runs_everything_and_loses_nothing(demo, tmp_path):
    result = demo("--once", timeout_seconds=390)
    assert result.returncode == 0, result.stdout + result.stderr
    figures = json.loads(result.stdout.splitlines()[-1])
    assert figures["enqueued"] >= 1500
    assert figures["lost"] == 0
    assert figures["dead"] >= 12
    assert figures["succeeded"] + figures["dead"] == figures["enqueued"]
    assert figures["retried"] >= figures["dead"]
    assert not [found for found in psutil.process_iter() if is_ours(found, tmp_path)]


def is_ours(process: psutil.Process, directory: Path) -> bool:
    try:
        return process.environ().get("QUEUEHUB_RUNTIME_DIR") == str(directory)
    except psutil.Error:
        return False
