"""Failpoints: how they are armed, when they fire, and that the table of them tells the truth about the code."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError

from jobs import failpoints
from jobs.checks import check_failpoints
from jobs.errors import FailpointError, TransportUnavailable
from jobs.failpoints import POINTS, VARIABLE, Failpoints, read
from tests.support import PROJECT

NAME = "settle.committed"


def fired(text: str, passage_count: int) -> list[int]:
    """Return at which of so many passages an armed point fires, counting from 1."""
    points, found = Failpoints(read(f"{NAME}=raise:{text}" if text else f"{NAME}=raise")), []
    for passage in range(1, passage_count + 1):
        try:
            points.reach(NAME)
        except FailpointError:
            found.append(passage)
    return found


@pytest.mark.fast
def test_a_table_line_has_a_call_and_a_call_has_a_table_line() -> None:
    calls = Counter(
        name
        for path in (PROJECT / "jobs").rglob("*.py")
        for name in re.findall(r'\breach\("([^"]+)"\)', path.read_text(encoding="utf-8"))
    )

    assert calls.keys() == POINTS.keys()
    assert {name for name, count in calls.items() if count > 1} == set(), "one name, one place"


@pytest.mark.fast
def test_nothing_is_armed_by_default() -> None:
    assert failpoints.armed == []
    assert failpoints.reach(NAME) is None
    assert list(check_failpoints()) == []


@pytest.mark.fast
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("every=4", [4, 8]),
        ("after=6", [7, 8, 9]),
        ("after=3:every=2", [5, 7, 9]),
        ("probability=1", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ],
)
def test_a_point_fires_when_its_conditions_hold(text: str, expected: list[int]) -> None:
    assert fired(text, 9) == expected


@pytest.mark.fast
def test_chance_can_be_repeated() -> None:
    first = fired("probability=0.1:seed=7", 1000)

    assert first == fired("probability=0.1:seed=7", 1000)
    assert first != fired("probability=0.1:seed=8", 1000)
    assert 50 < len(first) < 150


@pytest.mark.fast
def test_one_process_of_all_fires_once(tmp_path: Path) -> None:
    text = f"every=2:once={tmp_path / 'flag'}"

    assert (fired(text, 9), fired(text, 9)) == ([2], [])


@pytest.mark.fast
def test_each_point_has_its_own_rule() -> None:
    points = Failpoints(read("dispatch.taken=raise=OperationalError, publish.sent=raise=TransportUnavailable"))

    points.reach(NAME)
    with pytest.raises(OperationalError, match=r"dispatch\.taken"):
        points.reach("dispatch.taken")
    with pytest.raises(TransportUnavailable, match=r"publish\.sent"):
        points.reach("publish.sent")


@pytest.mark.fast
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("settle.comitted=kill", "there is no failpoint 'settle.comitted'"),
        ("settle.committed", "use kill"),
        ("settle.committed=explode", "use kill"),
        ("settle.committed=kill=9", "'9' means nothing for kill"),
        ("settle.committed=kill:evry=3", "then any of every"),
        ("settle.committed=kill:every=0", "'0' means nothing for every"),
        ("settle.committed=kill:every", "'' means nothing for every"),
        ("settle.committed=kill:probability=2", "'2' means nothing for probability"),
        ("settle.committed=kill:once=", "'' means nothing for once"),
        ("settle.committed=sleep", "'' means nothing for sleep"),
        ("settle.committed=sleep=-1", "'-1' means nothing for sleep"),
        ("settle.committed=raise=KeyboardInterrupt", "'KeyboardInterrupt' means nothing for raise"),
        ("settle.committed=kill,settle.committed=stop", "it is armed twice"),
    ],
)
def test_what_cannot_be_armed_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="QUEUEHUB_FAILPOINTS") as refused:
        read(text)

    assert why in str(refused.value)


@pytest.mark.fast
def test_a_deployment_is_warned_of_armed_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failpoints, "armed", read(f"{NAME}=kill"))

    (message,) = check_failpoints()

    assert (message.id, NAME in message.msg) == ("queuehub.W009", True)


@pytest.mark.parametrize(
    ("action", "code"),
    [("kill", -signal.SIGKILL), ("exit", 1), ("exit=7", 7), ("sleep=0", 0), ("raise", 1)],
)
def test_a_process_ends_as_its_failpoint_says(action: str, code: int) -> None:
    ended = _run(f"{NAME}={action}", f"from jobs.failpoints import reach; reach('{NAME}')")

    assert ended.returncode == code
    assert ended.stderr.startswith(f"failpoint {NAME}: {action.partition('=')[0]} in process")


def test_a_bad_failpoint_keeps_a_process_from_starting() -> None:
    ended = _run("nowhere=kill", "import django; django.setup()")

    assert ended.returncode == 1
    assert "there is no failpoint 'nowhere'" in ended.stderr


def test_the_workers_of_a_pool_do_not_repeat_each_others_chance() -> None:
    code = """
import os
from jobs.failpoints import Failpoints, read
points, reader, writer = read("settle.committed=raise:probability=0.5"), *os.pipe()
for _ in range(2):
    if not os.fork():
        os.write(writer, "".join(str(int(points[0].is_due())) for _ in range(64)).encode())
        os._exit(0)
    os.wait()
draws = os.read(reader, 128)
assert len(draws) == 128 and draws[:64] != draws[64:], draws
"""
    ended = _run("", code)

    assert ended.returncode == 0, ended.stderr


def _run(armed: str, code: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, VARIABLE: armed, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60
    )
