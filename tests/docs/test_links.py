"""What the documents point to exists: files, headings, functions, settings."""

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

from jobs.conf import Settings
from tests.docs.documents import anchors, documents, links, prose
from tests.support import PROJECT

pytestmark = pytest.mark.fast

PLACE = re.compile(r"`((?:jobs|queuehub|dashboards|demo|tests|docs)/[\w/]+\.py)(?:: ([\w.]+))?`")
FOLDER = re.compile(r"`((?:jobs|queuehub|dashboards|demo|tests|docs)/(?:\w+/)*)`")
SETTING = re.compile(r'QUEUEHUB\["(\w+)"\]')
MOST_LINES_OF_A_RECORD = 40

every_document = pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(PROJECT)))


@every_document
def test_links_lead_somewhere(path: Path) -> None:
    for link in links(path):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), f"{link}: no such file"
        if anchor:
            assert anchor in anchors(found), f"{link}: no such heading, there are {sorted(anchors(found))}"


@every_document
def test_named_files_and_functions_exist(path: Path) -> None:
    for file, name in PLACE.findall(prose(path)):
        assert (PROJECT / file).exists(), f"{file} does not exist"
        assert not name or name in _names_of(PROJECT / file), f"{file} has no {name}"
    for folder in FOLDER.findall(prose(path)):
        assert (PROJECT / folder).is_dir(), f"{folder} does not exist"


@every_document
def test_named_settings_exist(path: Path) -> None:
    known = {item.name.upper() for item in fields(Settings)}
    assert set(SETTING.findall(path.read_text(encoding="utf-8"))) <= known


def test_every_decision_record_is_short_and_listed() -> None:
    folder = PROJECT / "docs" / "adr"
    listed = set(links(folder / "README.md"))
    for record in folder.glob("0*.md"):
        assert record.name in listed
        assert len(record.read_text(encoding="utf-8").splitlines()) <= MOST_LINES_OF_A_RECORD, record.name


def _names_of(file: Path) -> set[str]:
    """Return the functions, classes, methods and constants that a module defines."""
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        names |= _defined(node)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{name}" for child in node.body for name in _defined(child)}
    return names


def _defined(node: ast.stmt) -> set[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Assign(targets=targets):
            return {target.id for target in targets if isinstance(target, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
    return set()
