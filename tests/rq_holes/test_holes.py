"""The list of holes is complete and names tests that exist."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.rq_holes.holes import HOLES
from tests.support import PROJECT

HERE = Path(__file__).parent


@cache
def always_run_in(path: Path) -> set[str]:
    """Return the names of a file's tests that always run."""
    functions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    skipped = {node.name for node in functions if any("skip" in ast.unparse(mark) for mark in node.decorator_list)}
    return {node.name for node in functions if node.name.startswith("test_")} - skipped


def named() -> Iterator[str]:
    for hole in HOLES:
        yield from hole.seen_in_rq
        yield from hole.harmless_here


def test_each_test_that_the_list_names_exists() -> None:
    for path, _, function in (name.partition("::") for name in named()):
        assert function in always_run_in(PROJECT / "tests" / path), f"{path}::{function}"


def test_each_test_of_this_folder_is_on_the_list() -> None:
    here = {
        f"rq_holes/{path.name}::{name}"
        for path in HERE.glob("test_*.py")
        if path.name != Path(__file__).name
        for name in always_run_in(path)
    }
    assert here <= set(named())


def test_each_hole_is_shown_to_be_harmless_and_seen_in_rq_or_explained() -> None:
    for hole in HOLES:
        assert hole.harmless_here, hole.statement
        assert bool(hole.seen_in_rq) != bool(hole.not_shown), hole.statement
