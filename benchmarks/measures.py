"""What a system does per second, and how long a job waits: from an empty store to a value."""

from typing import Any

from benchmarks.bench import Bench, answer
from benchmarks.client import POLL_SECONDS, WORK_MILLISECONDS
from benchmarks.costs import cost, memory
from benchmarks.growth import growth
from benchmarks.kills import kill
from benchmarks.peers import Peer

LATENCY_RATE = 50.0
ENQUEUE_SHARE = 0.6
"""Enqueueing settles at once, so it is measured for this share of the time."""

TOO_SHORT = 0.5
"""A drain that took less than this share of the time wanted is done again with more jobs."""


class Measurer:
    """Measures peers on a bench; `seconds` is how long each measurement should take, at least."""

    def __init__(self, bench: Bench, seconds: float, latency_seconds: float, sizes: list[int]) -> None:
        self.bench, self.seconds, self.latency_seconds, self.sizes = bench, seconds, latency_seconds, sizes
        self._rates: dict[tuple[str, str], float] = {}

    def measure(self, name: str, peer: Peer, measure: str) -> dict[str, Any]:
        """Return what was measured.

        Rates are {"rate", "count", "seconds"}, in jobs per second; latencies {"p50", "p95", "p99", "count"}, in ms; the
        others are described where they are measured.

        Raises: MeasureError.
        """
        self.bench.described(name, peer)
        match measure:
            case "single" | "bulk":
                return self._enqueue(name, peer, measure)
            case "latency":
                return self._latency(name, peer)
            case "cost":
                return cost(self.bench, name, peer, self._rate(name, peer, "drain-noop-1"))
            case "memory":
                return memory(self.bench, name, peer)
            case "kill":
                return kill(self.bench, name, peer)
            case "growth":
                rate = self._rate(name, peer, "drain-noop-1")
                return growth(self.bench, name, peer, rate, self.seconds, self.sizes)
        result = self._drain(name, peer, measure, self._rate(name, peer, measure))
        if result["seconds"] < TOO_SHORT * self.seconds:
            result = self._drain(name, peer, measure, result["rate"])
        self._rates[name, measure] = result["rate"]
        return result

    def _rate(self, name: str, peer: Peer, measure: str) -> float:
        """Return the rate to expect: that of the last time, or a guess."""
        if (name, measure) in self._rates:
            return self._rates[name, measure]
        _, task, processes = measure.split("-")
        seconds = 1 / peer.expected_rate + (WORK_MILLISECONDS / 1000 if task == "work" else 0)
        return (1 if processes == "1" else 1.3) / seconds

    def _enqueue(self, name: str, peer: Peer, measure: str) -> dict[str, Any]:
        self.bench.prepare(name, peer)
        with (
            self.bench.running(name, peer, self.bench.described(name, peer)["companions"]),
            self.bench.client(name, peer, measure, self.seconds * ENQUEUE_SHARE) as client,
        ):
            return rated(answer(client))

    def _drain(self, name: str, peer: Peer, measure: str, rate: float) -> dict[str, Any]:
        self.bench.prepare(name, peer)
        _, task, processes = measure.split("-")
        described = self.bench.described(name, peer)
        count = max(100, int(rate * self.seconds))
        with (
            self.bench.running(name, peer, described["companions"]),
            self.bench.client(name, peer, "drain", task, count, self.bench.path("stamps"), POLL_SECONDS) as client,
        ):
            filled = answer(client)
            with self.bench.running(name, peer, described["workers"][processes]) as workers:
                return rated(answer(client, workers)) | {"fill_seconds": filled["fill_seconds"]}

    def _latency(self, name: str, peer: Peer) -> dict[str, Any]:
        self.bench.prepare(name, peer)
        described = self.bench.described(name, peer)
        path = self.bench.path("latencies")
        self.bench.path("latencies.warm-up")
        with (
            self.bench.running(name, peer, described["companions"]),
            self.bench.running(name, peer, described["workers"]["1"]) as workers,
            self.bench.client(name, peer, "latency", LATENCY_RATE, self.latency_seconds, path) as client,
        ):
            answer(client)
            found = answer(client, workers)["milliseconds"]
        return {f"p{share}": found[int(len(found) * share / 100)] for share in (50, 95, 99)} | {"count": len(found)}


def rated(value: dict[str, Any]) -> dict[str, Any]:
    """Return a client's answer with its rate."""
    return value | {"rate": value["count"] / value["seconds"]}
