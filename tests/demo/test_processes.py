"""The demo's children: real processes, started, restarted and ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from demo.processes import Child, Family, GaveUp
from tests.support import eventually, is_alive

PROJECT = Path(__file__).resolve().parents[2]
SLEEPER = "import time; time.sleep(60)"
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print("ready", flush=True)
time.sleep(60)
"""


def make_child(tmp_path: Path, code: str) -> Child:
    return Child("child", ["-c", code], tmp_path / "child.log", tmp_path)


def test_stop_ends_every_child(tmp_path):
    family = Family([make_child(tmp_path, SLEEPER), make_child(tmp_path, SLEEPER)])
    family.start()
    processes = [child.process for child in family.children]
    assert all(process.poll() is None for process in processes)
    family.stop()
    assert all(process.poll() is not None for process in processes)


def test_a_child_that_ignores_sigterm_is_killed_with_its_own_children(tmp_path):
    family = Family([make_child(tmp_path, STUBBORN)])
    family.start()
    child = family.children[0]
    eventually(lambda: "ready" in child.log_tail())
    offspring = psutil.Process(child.process.pid).children(recursive=True)
    assert offspring
    family.stop(grace_seconds=0.2)
    assert child.process.poll() == -signal.SIGKILL
    eventually(lambda: not any(is_alive(process.pid) for process in offspring))


def test_a_killed_child_is_started_again(tmp_path):
    said: list[str] = []
    family = Family([make_child(tmp_path, SLEEPER)])
    family.start()
    try:
        first = family.children[0].process
        first.kill()
        first.wait()
        family.restart_fallen(said.append)
        assert family.children[0].process.pid != first.pid
        assert family.children[0].process.poll() is None
        assert "starting it again" in said[0]
    finally:
        family.stop()


def test_a_child_that_falls_at_once_again_and_again_is_given_up_with_its_log(tmp_path):
    family = Family([make_child(tmp_path, "raise SystemExit('no such table')")])
    family.start()
    try:
        for _ in range(2):
            family.children[0].process.wait()
            family.restart_fallen(print)
        family.children[0].process.wait()
        with pytest.raises(GaveUp, match="no such table"):
            family.restart_fallen(print)
    finally:
        family.stop()


def test_children_end_when_their_owner_is_killed(tmp_path):
    owner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from demo.processes import Child\n"
            f"child = Child('child', ['-c', {SLEEPER!r}], Path('child.log'), Path('.'))\n"
            "child.start(); print(child.process.pid, flush=True); time.sleep(60)",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    child = psutil.Process(int(owner.stdout.readline()))
    owner.kill()
    owner.wait()
    owner.stdout.close()
    eventually(lambda: not is_alive(child.pid))
