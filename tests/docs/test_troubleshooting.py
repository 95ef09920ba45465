"""The texts in docs/troubleshooting.md are those of the code, and every check has its line."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support import PROJECT

PAGE = PROJECT / "docs" / "troubleshooting.md"
CODE = re.compile(r"`([^`]+)`")
CHECK = re.compile(r"queuehub\.[EW]\d{3}")
PLACEHOLDERS = re.compile(r"\.\.\.|…")
FOLDERS = ("jobs", "dashboards", "queuehub", "templates")

pytestmark = pytest.mark.fast


def told() -> list[str]:
    """Return the messages of the tables: the code in the first column, or in the second if that is a check's id."""
    messages = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| "):
            cells = line.strip("| ").split(" | ")
            messages += CODE.findall(cells[1] if CHECK.search(cells[0]) else cells[0])
    return messages


@cache
def spoken() -> str:
    """Return whatever the code can say: its texts, and its templates and scripts as they are."""
    texts = []
    for folder in FOLDERS:
        for path in (PROJECT / folder).rglob("*"):
            if path.suffix == ".py":
                texts += _constants(path)
            elif path.suffix in (".html", ".js"):
                texts.append(path.read_text(encoding="utf-8"))
    return "\n".join(texts)


def _constants(path: Path) -> list[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    found = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    # a placeholder of logging ends a piece of text
    return [piece for text in found for piece in re.split(r"%[sd]|%\.1f|\{\w+\}", text)]


@pytest.mark.parametrize("message", told())
def test_the_code_says_what_the_page_quotes(message: str) -> None:
    for fragment in filter(None, (part.strip() for part in PLACEHOLDERS.split(message))):
        assert fragment in spoken(), f"nothing in the code says {fragment!r}"


def test_every_check_has_its_line() -> None:
    known = {found for name in ("jobs", "dashboards") for path in (PROJECT / name).rglob("*.py")
             for found in CHECK.findall(path.read_text(encoding="utf-8"))}  # fmt: skip
    assert known == set(CHECK.findall(PAGE.read_text(encoding="utf-8")))
