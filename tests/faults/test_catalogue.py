"""Every line of the catalogue is shown by a test, or says why not."""

import ast
from pathlib import Path

from tests.faults.catalogue import FAULTS, NOT_TESTED

LINES = {line for lines in FAULTS.values() for line in lines}


def marked_lines() -> set[str]:
    """Collect the arguments of every `fault` marker from the sources."""
    found: set[str] = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
                found |= {ast.literal_eval(argument) for argument in node.args}
    return found


def test_markers_name_lines_of_the_catalogue() -> None:
    assert not marked_lines() - LINES


def test_every_line_has_a_test_or_a_reason() -> None:
    assert not LINES - marked_lines() - NOT_TESTED.keys()
    assert len(NOT_TESTED) <= 8


def test_a_reason_belongs_to_a_line_without_a_test() -> None:
    assert not NOT_TESTED.keys() - LINES
    assert not NOT_TESTED.keys() & marked_lines()
