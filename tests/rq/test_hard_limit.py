"""The kernel's timer kills what the interpreter cannot interrupt."""

import itertools
import os
import signal
import sys
import time
from collections import deque

import pytest

from jobs.hard_limit import HardLimit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has timers that kill")


def hold_the_interpreter() -> None:
    """Loop for ever in C code that neither lets go of the interpreter nor looks at signals."""
    deque(itertools.repeat(None), maxlen=0)


def test_c_code_that_holds_the_interpreter_is_killed_at_the_deadline() -> None:
    child = os.fork()
    if child == 0:
        HardLimit().arm(time.monotonic() + 0.3)
        hold_the_interpreter()
        os._exit(0)
    begun = time.monotonic()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert 0.2 < time.monotonic() - begun < 5


def test_a_deadline_can_be_moved_and_taken_back() -> None:
    child = os.fork()
    if child == 0:
        limit = HardLimit()
        limit.arm(time.monotonic() + 0.2)
        limit.arm(time.monotonic() + 60)
        limit.arm(0)
        time.sleep(0.4)
        limit.close()
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
