"""What the demo prints while it runs."""

import io

import pytest

from demo.progress import Progress, describe
from demo.tally import Tally

pytestmark = pytest.mark.fast

STATES = {"succeeded": 990, "dead": 10, "queued": 998, "running": 2}
TALLY = Tally(enqueued=2000, states=STATES)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_line_names_share_rate_and_troubles():
    assert describe(TALLY, 100) == "1,000 of 2,000 jobs done (50 %) · 100 jobs/s · 2 running · 10 dead"


def test_nothing_enqueued_yet_is_no_division_by_zero():
    assert describe(Tally(0, {}), 0) == "0 of 0 jobs done (0 %)"


def test_a_terminal_gets_one_line_rewritten_in_place(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    terminal = Terminal()
    progress = Progress(terminal)
    progress.show(TALLY, 10)
    progress.show(TALLY, 10)
    progress.say("ready")
    written = terminal.getvalue()
    assert written.count("\n") == 1
    assert written.endswith("\r\x1b[Kready\n")
    assert all(len(part) <= 30 for part in written.replace("\x1b[K", "").split("\r"))


def test_without_a_terminal_lines_come_now_and_then_and_only_when_something_changed():
    stream = io.StringIO()
    progress = Progress(stream)
    progress.show(TALLY, 10)
    progress.show(TALLY, 10)
    assert stream.getvalue() == describe(TALLY, 10) + "\n"
