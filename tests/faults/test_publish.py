"""The published table says what was measured, and hides no failure."""

import json

from tests.faults.catalogue import FAULTS
from tests.faults.publish import BROKEN, JSON, PAGE, collected, tables, with_tables

FIGURES = {"acknowledged": 1200, "succeeded": 1200, "lost": 0, "accepted_twice": 0, "unexpected": 0, "run_twice": 3}
HELD = {
    "test": "test_a_flush", "ledger": "sqlite", "lines": ["FLUSHALL again and again"], "outcome": "passed",
    "message": "", "figures": FIGURES,
}  # fmt: skip
BROKEN_ONE = {**HELD, "ledger": "postgresql", "outcome": "failed", "message": "1 lost:\nwork|7", "figures": {}}


def test_a_row_says_what_was_measured() -> None:
    text = tables(collected([HELD]))
    assert "| **FLUSHALL again and again**<br>a flush | SQLite | 1,200 | 3 |" in text
    assert "| 0, 0, 0 | held |" in text
    assert "1,200 acknowledged jobs" in text


def test_a_failure_stays_visible_with_its_reason() -> None:
    assert "**failed**: 1 lost: work\\|7" in tables(collected([HELD, BROKEN_ONE]))


def test_the_page_holds_what_the_published_figures_say() -> None:
    page = PAGE.read_text()
    assert with_tables(page, json.loads(JSON.read_text())) == page


def test_the_published_figures_cover_the_catalogue_and_break_no_promise() -> None:
    document = json.loads(JSON.read_text())
    shown = {line for record in document["tests"] for line in record["lines"]} | set(document["not_tested"])
    assert {line for lines in FAULTS.values() for line in lines} <= shown
    assert [document["sums"][name] for name in BROKEN] == [0, 0, 0]
    assert document["sums"]["acknowledged"] >= 100_000
