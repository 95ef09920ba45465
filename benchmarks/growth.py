"""How a system that keeps its jobs in SQL fares when its tables grow, and when a long backlog waits."""

from typing import Any

from benchmarks.bench import Bench, answer
from benchmarks.client import POLL_SECONDS
from benchmarks.peers import Peer

SINGLE_SECONDS = 1.5


def growth(bench: Bench, name: str, peer: Peer, rate: float, seconds: float, sizes: list[int]) -> dict[str, Any]:
    """Return {"steps", "backlog"}: rates with so many finished jobs in the tables, and then with a backlog beside them.

    A step is {"finished", "single", "bulk", "drain"}; the backlog, as large as the last step, is {"rows", "bulk",
    "before", "after"}, where the last two are the rates of one worker process in the midst of it, before and after
    ANALYZE; "bulk" is None if the backlog was written into the tables by hand.

    Raises: MeasureError.
    """
    bench.prepare(name, peer)
    steps, finished = [], 0
    with bench.running(name, peer, bench.described(name, peer)["companions"]):
        for size in sizes:
            bench.act(name, peer, "grow", size - finished)
            bench.postgresql.checkpoint()
            steps.append({"finished": size, **_step(bench, name, peer, int(rate * seconds))})
            finished = size
        bench.postgresql.set_autovacuum(False)  # or it might ANALYZE when it likes
        try:
            with bench.client(name, peer, "pile", sizes[-1]) as client:
                piled = answer(client)
            bench.postgresql.checkpoint()
            before = _span(bench, name, peer, seconds)
        finally:
            bench.postgresql.set_autovacuum(True)
        bench.act(name, peer, "analyze")
        after = _span(bench, name, peer, seconds)
    bulk = None if piled["is_by_hand"] else sizes[-1] / piled["seconds"]
    return {"steps": steps, "backlog": {"rows": sizes[-1], "bulk": bulk, "before": before, "after": after}}


def _step(bench: Bench, name: str, peer: Peer, count: int) -> dict[str, float]:
    """Return the rates with the tables as they are; no job is left behind."""
    workers = bench.described(name, peer)["workers"]["1"]
    with bench.client(name, peer, "single", SINGLE_SECONDS) as client:
        single = answer(client)
    with bench.running(name, peer, workers):
        bench.act(name, peer, "empty")
    with bench.client(name, peer, "drain", "noop", count, bench.path("stamps"), POLL_SECONDS) as client:
        filled = answer(client)
        with bench.running(name, peer, workers) as running:
            drained = answer(client, running)
    return {
        "single": single["count"] / single["seconds"],
        "bulk": count / filled["fill_seconds"],
        "drain": count / drained["seconds"],
    }


def _span(bench: Bench, name: str, peer: Peer, seconds: float) -> float:
    with bench.client(name, peer, "span", seconds) as client:
        answer(client)
        with bench.running(name, peer, bench.described(name, peer)["workers"]["1"]) as workers:
            value = answer(client, workers)
    return float(value["count"] / value["seconds"])
