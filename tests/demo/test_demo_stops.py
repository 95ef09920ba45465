"""The end of a demo: whoever ends it, and however, no process stays behind."""

import signal

import pytest

from demo.supervisor import only_demo_in
from tests.demo.conftest import processes_on
from tests.support import eventually, free_port

pytestmark = [pytest.mark.slow, pytest.mark.one_ledger, pytest.mark.timeout(180)]


@pytest.fixture
def running_demo(start_demo):
    demo = start_demo("--port", str(free_port()), DJANGO_SETTINGS_MODULE="tests.demo.settings")
    demo.wait_for("jobs done", timeout_seconds=90)
    return demo


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_demo(running_demo, tmp_path, number):
    assert len(processes_on(tmp_path)) >= 5  # the demo, Valkey, web, pool with its children, scheduler
    running_demo.send(number)
    assert running_demo.wait(40) == (-number if number == signal.SIGKILL else 0)
    wait_seconds = 30 if number == signal.SIGKILL else 1
    eventually(lambda: not processes_on(tmp_path), wait_seconds, "a process is left")
    assert "Traceback" not in running_demo.output


def test_a_second_demo_on_the_same_directory_is_refused_in_one_line(start_demo, tmp_path):
    with only_demo_in(tmp_path):
        second = start_demo("--once")
        assert second.wait() == 2
    assert second.output.count("\n") == 1
    assert "a demo runs already" in second.output
