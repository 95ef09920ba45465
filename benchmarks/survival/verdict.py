"""What became of every acknowledged job: pure arithmetic over two logs, the faults and what the system still holds."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.survival.adapter import FAILED
from benchmarks.survival.work import BEGAN, ENDED

OVERTAKEN_SECONDS = 2.0
"""A job that ends so long after one that was acknowledged later was held up, by more than two slots explain."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the journal."""

    event: str
    key: str
    tree: str
    at_seconds: float


@dataclass(frozen=True, slots=True)
class Fault:
    """When something was killed or emptied; `is_kill` if it was workers."""

    at_seconds: float
    is_kill: bool


def journal(path: Path) -> list[Line]:
    """Read what the jobs wrote; a line that was cut off by a kill is left out."""
    if not path.exists():
        return []
    parts = (line.split() for line in path.read_text().splitlines())
    return [Line(found[0], found[1], found[2], float(found[3])) for found in parts if len(found) == 4]


def acknowledged(path: Path) -> dict[str, float]:
    """Read which jobs the system has accepted, and when, in that order."""
    if not path.exists():
        return {}
    parts = (line.split() for line in path.read_text().splitlines())
    return {key: float(at) for key, at in parts}


def judge(
    accepted: Mapping[str, float],
    lines: Sequence[Line],
    faults: Sequence[Fault],
    held: Mapping[str, Iterable[str]],
) -> dict[str, Any]:
    """Return the figures of one trial.

    `finished`: has run to its end · `failed`: has not, and the system shows it to an operator as failed ·
    `stranded`: has not, and the system still has it somewhere (`places`) · `lost`: has not, and nobody knows it ·
    `lost_in_mid_run`: those of the lost that a worker had begun · `twice`: has run to its end more than once ·
    `cut_off`: was begun by a worker that did not end it.
    """
    begins, ends = _by_key(lines, BEGAN), _by_key(lines, ENDED)
    place_of = {key: place for place, keys in held.items() for key in keys}
    unfinished = [key for key in accepted if key not in ends]
    places: dict[str, int] = {}
    for key in unfinished:
        if key in place_of:
            places[place_of[key]] = places.get(place_of[key], 0) + 1
    failed_count = places.get(FAILED, 0)
    cut_off = [key for key in accepted if len(begins.get(key, [])) > len(ends.get(key, []))]
    return {
        "acknowledged": len(accepted),
        "finished": len(accepted) - len(unfinished),
        "lost": len(unfinished) - sum(places.values()),
        "stranded": sum(places.values()) - failed_count,
        "failed": failed_count,
        "lost_in_mid_run": sum(key in begins and key not in place_of for key in unfinished),
        "twice": sum(len(ends.get(key, [])) > 1 for key in accepted),
        "cut_off": len(cut_off),
        "places": places,
        "faults": len(faults),
        "waiting_at_faults": [_waiting(accepted, ends, fault.at_seconds) for fault in faults],
        **_recovery(accepted, begins, ends, faults, cut_off),
    }


def _recovery(
    accepted: Mapping[str, float],
    begins: Mapping[str, list[float]],
    ends: Mapping[str, list[float]],
    faults: Sequence[Fault],
    cut_off: Sequence[str],
) -> dict[str, Any]:
    """Return from the fault to the end, in seconds, of the jobs that a fault held up and that ended after all."""
    moments = {key: begins[key][0] for key in cut_off if key in ends}
    for key, at_seconds in _overtaken(accepted, ends).items():
        moments.setdefault(key, at_seconds)
    delays = [
        ends[key][-1] - _fault_of(moment, faults) for key, moment in moments.items() if faults and key in ends
    ]
    pauses = [
        min((at for found in ends.values() for at in found if at > fault.at_seconds), default=math.inf)
        - fault.at_seconds
        for fault in faults
    ]
    return {
        "held_up": len(delays),
        "recovery_median_seconds": round(median(delays), 2) if delays else None,
        "recovery_p99_seconds": round(percentile(delays, 99), 2) if delays else None,
        "recovery_max_seconds": round(max(delays), 2) if delays else None,
        "resumed_seconds": round(max(pauses), 2) if pauses and max(pauses) < math.inf else None,
    }


def _overtaken(accepted: Mapping[str, float], ends: Mapping[str, list[float]]) -> dict[str, float]:
    """Return the jobs that ended long after one acknowledged later, with the moment of that one's end."""
    earliest, found = math.inf, {}
    for key in reversed(list(accepted)):
        if key in ends:
            if ends[key][0] > earliest + OVERTAKEN_SECONDS:
                found[key] = earliest
            earliest = min(earliest, ends[key][0])
    return found


def _fault_of(moment: float, faults: Sequence[Fault]) -> float:
    """Return when the fault came that held up a job that was being worked on, or due, at a moment.

    A killed worker had the job in hand before it was killed; a job whose message was wiped out is overtaken afterwards.
    """
    before = [fault.at_seconds for fault in faults if fault.at_seconds <= moment]
    after = [fault.at_seconds for fault in faults if fault.at_seconds > moment]
    if faults[0].is_kill:
        return after[0] if after else before[-1]
    return before[-1] if before else after[0]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` percent of all do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * share / 100) - 1)]


def _waiting(accepted: Mapping[str, float], ends: Mapping[str, list[float]], at_seconds: float) -> int:
    """Count what was acknowledged and had not ended at a moment."""
    return sum(at <= at_seconds and not (key in ends and ends[key][0] <= at_seconds) for key, at in accepted.items())


def _by_key(lines: Iterable[Line], event: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for line in lines:
        if line.event == event:
            found.setdefault(line.key, []).append(line.at_seconds)
    return found
