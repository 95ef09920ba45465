"""`manage.py demo` as a user types it: its one-line errors, and a whole run."""

import json
import socket

import pytest

from tests.demo.conftest import processes_on


def test_a_busy_port_is_one_line_and_exit_code_2(start_demo):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        demo = start_demo("--port", str(port))
        assert demo.wait() == 2
    assert demo.output.count("\n") == 1
    assert f"port {port}" in demo.output
    assert f"PORT={port + 1 if port < 65535 else 8000}" in demo.output


@pytest.mark.parametrize("port", ["http", "0", "70000", "-1"])
def test_a_port_that_is_none_is_one_line_and_exit_code_2(start_demo, port):
    demo = start_demo(PORT=port)
    assert demo.wait() == 2
    assert demo.output.count("\n") == 1
    assert "PORT=8001" in demo.output


@pytest.mark.acceptance
@pytest.mark.one_ledger
@pytest.mark.timeout(400)
def test_demo_once_runs_everything_and_loses_nothing(start_demo, tmp_path):
    demo = start_demo("--once")
    assert demo.wait(390) == 0, demo.output
    figures = json.loads(demo.output.splitlines()[-1])
    assert figures["enqueued"] >= 1500
    assert figures["lost"] == 0
    assert figures["dead"] >= 12
    assert figures["succeeded"] + figures["dead"] == figures["enqueued"]
    assert figures["retried"] >= figures["dead"]
    assert not processes_on(tmp_path)
