"""The project's documents as data: their code blocks, headings and links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support import PROJECT

FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")


@dataclass(frozen=True)
class Block:
    """One fenced block: where it begins, its language and its text."""

    path: Path
    line: int
    language: str
    text: str

    @property
    def title(self) -> str:
        """The file that a block says it belongs to, in a comment on its first line; empty if it says none."""
        first = self.text.partition("\n")[0]
        return first[2:].strip() if first.startswith("# ") and first.endswith(".py") else ""


def documents() -> list[Path]:
    """Return every document of the project."""
    return sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")])


def blocks(path: Path, *languages: str) -> Iterator[Block]:
    """Yield the fenced blocks of these languages, in their order."""
    text = path.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        if match[1] in languages:
            yield Block(path, text.count("\n", 0, match.start()) + 1, match[1], match[2])


def prose(path: Path) -> str:
    """Return the text without its fenced blocks."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def links(path: Path) -> list[str]:
    """Return the targets of all links and images."""
    return LINK.findall(prose(path))


def anchors(path: Path) -> set[str]:
    """Return the names by which a link can point into the document, as GitHub makes them from headings."""
    headings = HEADING.findall(prose(path))
    return {NOT_IN_ANCHORS.sub("", heading.lower()).replace(" ", "-") for heading in headings}
