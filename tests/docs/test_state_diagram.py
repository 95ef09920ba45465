"""The state diagram in ARCHITECTURE.md is the table of transitions."""

import re

import pytest

from jobs.states import FINAL, TRANSITIONS, JobState
from tests.docs.documents import blocks, prose
from tests.support import PROJECT

pytestmark = pytest.mark.fast

ARCHITECTURE = PROJECT / "ARCHITECTURE.md"
ARROW = re.compile(r"^ *(\S+) --> (\S+?)(?:: (.+))?$", re.MULTILINE)
NOWHERE = "[*]"


def arrows() -> list[tuple[str, str, str]]:
    """Return the diagram's arrows: from, to, reason."""
    (diagram,) = [block for block in blocks(ARCHITECTURE, "mermaid") if "stateDiagram" in block.text]
    return ARROW.findall(diagram.text)


def test_the_diagram_shows_every_legal_move_and_no_other_with_its_reason() -> None:
    drawn = {(source, target): reason for source, target, reason in arrows() if NOWHERE not in (source, target)}
    legal = {
        (source.value, target.value): reason
        for source, moves in TRANSITIONS.items()
        for target, reason in moves.items()
    }
    assert drawn == legal


def test_the_diagram_shows_where_jobs_begin_and_end() -> None:
    assert {target for source, target, _ in arrows() if source == NOWHERE} == {"queued", "scheduled"}
    assert {source for source, target, _ in arrows() if target == NOWHERE} == {state.value for state in FINAL}


def test_the_table_of_states_names_them_all() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", prose(ARCHITECTURE), re.MULTILINE)
    assert [row for row in rows if row in set(JobState)] == [state.value for state in JobState]
