"""The records of a run of the fault tests: one JSON file per test and ledger, so that parallel runs do not meet."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Records:
    """The records below one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, ledger: str, test: str, **values: Any) -> None:
        """Write or replace the record of a test."""
        path = self._path(ledger, test)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"test": test, "ledger": ledger, **values}, indent=2) + "\n")

    def has_passed(self, ledger: str, test: str) -> bool:
        """Say whether the test has passed on this ledger already."""
        path = self._path(ledger, test)
        return path.exists() and bool(json.loads(path.read_text())["outcome"] == "passed")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (json.loads(path.read_text()) for path in sorted(self.directory.glob("*/*.json")))

    def _path(self, ledger: str, test: str) -> Path:
        return self.directory / ledger / f"{test.replace('/', '_')}.json"
