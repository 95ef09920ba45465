"""The figures of a run: kept after every measurement, so that a run can go on after a break."""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

Key = tuple[str, str, int]  # peer, measure, repeat


class Results:
    """All measurements of a run, in one JSON file."""

    def __init__(self, path: Path, plan: dict[str, Any], is_resumed: bool) -> None:
        self.path = path
        self.value: dict[str, Any] = {"plan": plan, "machine": {}, "peers": {}, "runs": []}
        if is_resumed and path.exists():
            kept = json.loads(path.read_text())
            if kept["plan"] == plan:
                self.value = kept

    def has(self, key: Key) -> bool:
        """Say whether this measurement was made already."""
        return any((run["peer"], run["measure"], run["repeat"]) == key for run in self.value["runs"])

    def forget(self, is_void: Callable[[dict[str, Any]], bool]) -> int:
        """Drop the measurements that are void, and return how many there were."""
        kept = [run for run in self.value["runs"] if not is_void(run)]
        count = len(self.value["runs"]) - len(kept)
        self.value["runs"] = kept
        return count

    def add(self, key: Key, value: dict[str, Any]) -> None:
        """Keep a measurement."""
        peer, measure, repeat = key
        self.value["runs"].append({"peer": peer, "measure": measure, "repeat": repeat, **value})
        self.save()

    def save(self) -> None:
        """Write the file, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps(self.value, indent=1) + "\n")
        draft.replace(self.path)


def figures(value: dict[str, Any], peer: str, measure: str, field: str = "rate") -> list[float]:
    """Return the repeats of one measurement, failed ones left out."""
    return [run[field] for run in value["runs"] if run["peer"] == peer and run["measure"] == measure and field in run]


def single_run(value: dict[str, Any], peer: str, measure: str) -> dict[str, Any] | None:
    """Return what was measured once; None if it was not, or failed."""
    runs = [run for run in value["runs"] if run["peer"] == peer and run["measure"] == measure and "error" not in run]
    return runs[-1] if runs else None


def median_of(value: dict[str, Any], peer: str, measure: str, field: str = "rate") -> float | None:
    """Return the median of the repeats; None if there are none."""
    return middle(figures(value, peer, measure, field))


def middle(values: list[float]) -> float | None:
    """Return the median; None of nothing."""
    return median(values) if values else None


def spread(values: list[float]) -> float:
    """Return the distance of the extremes as a share of the median."""
    return (max(values) - min(values)) / median(values) if values else 0.0
