"""What a test measured: printed when it ends, and collected in one JSON file so that it can be quoted.

The file is named by QUEUEHUB_ACCEPTANCE_REPORT; runs on different ledgers add to the same file.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import run_directory

Figure = float | int | str


class Figures:
    """The figures of one test: `figures.add(detection_seconds=0.2)`."""

    def __init__(self) -> None:
        self.values: dict[str, Figure] = {}

    def add(self, **values: Figure) -> None:
        """Note what was measured; the name says the unit."""
        for name, value in values.items():
            self.values[name] = round(value, 3) if isinstance(value, float) else value


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Iterator[Figures]:
    """Collect what the test measures, whether it passes or not."""
    measured = Figures()
    yield measured
    if not measured.values:
        return
    words = ", ".join(f"{name} {value}" for name, value in measured.values.items())
    _say(request.config, f"{request.node.name} [{run_directory.ledger()}]: {words}")
    path = os.environ.get("QUEUEHUB_ACCEPTANCE_REPORT")
    if path:
        _merge(Path(path), request.node.nodeid, measured.values)


def _say(config: pytest.Config, text: str) -> None:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    if terminal is not None and capture is not None:
        with capture.global_and_fixture_disabled():
            terminal.write_line(f"\n  {text}")


def _merge(path: Path, test: str, values: dict[str, Figure]) -> None:
    known = json.loads(path.read_text()) if path.exists() else {}
    known.setdefault(run_directory.ledger(), {})[test] = values
    path.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")
