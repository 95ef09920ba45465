"""One measurement of one peer: from an empty store to a value."""

from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, answer
from benchmarks.client import WORK_MILLISECONDS
from benchmarks.peers import Peer

LATENCY_RATE = 50.0
ENQUEUE_SHARE = 0.6
"""Enqueueing settles at once, so it is measured for this share of the time."""

TOO_SHORT = 0.5
"""A drain that took less than this share of the time wanted is done again with more jobs."""


class Measurer:
    """Measures peers on a bench; `seconds` is how long each measurement should take, at least."""

    def __init__(self, bench: Bench, seconds: float, latency_seconds: float) -> None:
        self.bench, self.seconds, self.latency_seconds = bench, seconds, latency_seconds
        self._rates: dict[tuple[str, str], float] = {}

    def measure(self, name: str, peer: Peer, measure: str) -> dict[str, Any]:
        """Return {"rate", "count", "seconds"}, rate in jobs per second, or {"p50", "p95", "p99", "count"} in ms.

        Raises: MeasureError.
        """
        described = self.bench.described(name, peer)
        if measure in ("single", "bulk"):
            return self._enqueue(name, peer, described, measure)
        if measure == "latency":
            return self._latency(name, peer, described)
        _, task, processes = measure.split("-")
        rate = self._rates.get((name, measure)) or _guess(peer, task, int(processes))
        result = self._drain(name, peer, described, task, processes, rate)
        if result["seconds"] < TOO_SHORT * self.seconds:
            result = self._drain(name, peer, described, task, processes, result["rate"])
        self._rates[name, measure] = result["rate"]
        return result

    def _enqueue(self, name: str, peer: Peer, described: dict[str, Any], measure: str) -> dict[str, Any]:
        self.bench.prepare(name, peer)
        with (
            self.bench.running(name, peer, described["companions"]),
            self.bench.client(name, peer, measure, self.seconds * ENQUEUE_SHARE) as client,
        ):
            return _rated(answer(client))

    def _drain(
        self, name: str, peer: Peer, described: dict[str, Any], task: str, processes: str, rate: float
    ) -> dict[str, Any]:
        self.bench.prepare(name, peer)
        count = max(100, int(rate * self.seconds))
        with (
            self.bench.running(name, peer, described["companions"]),
            self.bench.client(name, peer, "drain", task, count, self._path("stamps")) as client,
        ):
            filled = answer(client)
            with self.bench.running(name, peer, described["workers"][processes]):
                return _rated(answer(client)) | {"fill_seconds": filled["fill_seconds"]}

    def _latency(self, name: str, peer: Peer, described: dict[str, Any]) -> dict[str, Any]:
        self.bench.prepare(name, peer)
        path = self._path("latencies")
        self._path("latencies.warm-up")
        with (
            self.bench.running(name, peer, described["companions"]),
            self.bench.running(name, peer, described["workers"]["1"]),
            self.bench.client(name, peer, "latency", LATENCY_RATE, self.latency_seconds, path) as client,
        ):
            answer(client)
            found = answer(client)["milliseconds"]
        return {f"p{share}": found[int(len(found) * share / 100)] for share in (50, 95, 99)} | {"count": len(found)}

    def _path(self, name: str) -> Path:
        path = self.bench.directory / name
        path.unlink(missing_ok=True)
        return path


def _guess(peer: Peer, task: str, processes: int) -> float:
    seconds = 1 / peer.expected_rate + (WORK_MILLISECONDS / 1000 if task == "work" else 0)
    return (1 if processes == 1 else 1.3) / seconds


def _rated(value: dict[str, Any]) -> dict[str, Any]:
    return value | {"rate": value["count"] / value["seconds"]}
