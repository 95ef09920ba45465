"""Turns the records of a run into docs/faults.json and the tables of docs/faults.md."""

import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.faults.catalogue import FAULTS, NOT_TESTED
from tests.faults.records import Records

DOCS = Path(__file__).resolve().parents[2] / "docs"
JSON, PAGE = DOCS / "faults.json", DOCS / "faults.md"
BEGIN, END = "<!-- begin of the generated tables -->\n", "<!-- end of the generated tables -->\n"
LEDGERS = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
BROKEN = ("lost", "accepted_twice", "unexpected")
COLUMNS = {
    "acknowledged": "acknowledged",
    "run twice": "run_twice",
    "noticed, s": "detection_seconds",
    "recovered, s": "recovery_seconds",
    "p99, s": "dispatch_p99_seconds",
    "longest, s": "dispatch_max_seconds",
}

Record = Mapping[str, Any]


def collected(records: Iterable[Record]) -> dict[str, Any]:
    """Return the document: the machine, the sums, and one record per test."""
    tests = sorted(records, key=lambda record: (record["ledger"], record["test"]))
    figures = [record["figures"] for record in tests]
    return {
        "machine": f"{platform.system()} {platform.machine()}, {_processor_count()} processors,"
        f" Python {platform.python_version()}",
        "sums": {
            name: sum(values.get(name, 0) for values in figures)
            for name in ("acknowledged", "succeeded", "dead", "run_twice", "kills", *BROKEN)
        },
        "not_tested": NOT_TESTED,
        "tests": tests,
    }


def _processor_count() -> int:
    return len(os.sched_getaffinity(0))


def tables(document: Mapping[str, Any]) -> str:
    """Return the Markdown of the sums and of one table per group of the catalogue."""
    sums = document["sums"]
    text = (
        f"In all: {sums['acknowledged']:,} acknowledged jobs, {sums['succeeded']:,} succeeded, {sums['dead']:,} dead"
        f" (as they should be); lost {sums['lost']}, accepted twice {sums['accepted_twice']}, unexpected"
        f" {sums['unexpected']}; run more than once without a failure {sums['run_twice']:,}. {document['machine']}.\n"
    )
    for group, lines in FAULTS.items():
        rows = [row for line in lines for row in _rows(line, document)]
        head = ["fault", "ledger", *COLUMNS, "lost, twice, unexpected", "outcome"]
        text += f"\n### {group}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in [head, ["---"] * len(head), *rows])
    return text


def _rows(line: str, document: Mapping[str, Any]) -> Iterable[list[str]]:
    if line in document["not_tested"]:
        yield [f"**{line}**", *[""] * (len(COLUMNS) + 2), f"not tested: {document['not_tested'][line]}"]
    for record in document["tests"]:
        if line in record["lines"]:
            figures = record["figures"]
            broken = ", ".join(str(figures.get(name, "-")) for name in BROKEN)
            cells = [_cell(figures.get(name)) for name in COLUMNS.values()]
            sentence = record["test"].removeprefix("test_").replace("_", " ")
            yield [f"**{line}**<br>{sentence}", LEDGERS[record["ledger"]], *cells, broken, _outcome(record)]


def _outcome(record: Record) -> str:
    if record["outcome"] == "passed":
        return "held"
    message = record["message"][:200].replace("\n", " ").replace("|", "\\|")
    return f"**{record['outcome']}**: {message}"


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"


def with_tables(page: str, document: Mapping[str, Any]) -> str:
    """Return the page with its tables replaced."""
    head, rest = page.split(BEGIN)
    return f"{head}{BEGIN}\n{tables(document)}\n{END}{rest.split(END)[1]}"


def publish(directory: Path) -> None:
    """Write both files from the records below `directory`, and say in one line what they hold."""
    document = collected(Records(directory))
    JSON.write_text(json.dumps(document, indent=1) + "\n")
    PAGE.write_text(with_tables(PAGE.read_text(), document))
    failed = [record["test"] for record in document["tests"] if record["outcome"] != "passed"]
    sys.stdout.write(f"{len(document['tests'])} records, {len(failed)} not passed: {', '.join(failed) or '-'}\n")
