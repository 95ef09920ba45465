"""How jobs are counted that a killed worker left behind."""

from pathlib import Path

import pytest

from benchmarks.kills import counted
from benchmarks.work import BEGAN, ENDED, mark


@pytest.mark.fast
def test_jobs_that_began_twice_or_never_ended_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "marks"
    mark(str(path), 1, 0)
    mark(str(path), 2, 0)
    mark(str(path), 2, 0)
    with path.open("a") as file:
        file.write(f"{BEGAN} 3\n")
    found = counted(path)
    assert found[BEGAN] == {"1": 1, "2": 2, "3": 1}
    assert found[ENDED] == {"1": 1, "2": 2}
    assert counted(tmp_path / "nothing")[ENDED] == {}
