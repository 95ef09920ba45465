"""What a run of the benchmarks measures, and in which order: the options of `make bench`."""

import argparse
from collections.abc import Iterator, Sequence

from benchmarks.peers import MEASURES, ONCE, Peer

Step = tuple[int, str, str, Peer]
"""Repeat, measure, name of the peer, peer."""


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Measure job queues side by side. A run that was broken off goes on where it was.",
    )
    parser.add_argument("--peers", nargs="*", default=[], help="names or beginnings of names (all)")
    parser.add_argument("--measures", nargs="*", default=list(MEASURES), choices=MEASURES, metavar="MEASURE",
                        help=f"of {', '.join(MEASURES)} (all)")  # fmt: skip
    parser.add_argument("--repeats", type=int, default=2, help="of all but cost, memory, kill and growth (2)")
    parser.add_argument("--seconds", type=float, default=5, help="length of one measurement (5)")
    parser.add_argument("--latency-seconds", type=float, default=6, help="length at 50 jobs a second (6)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], metavar="ROWS",
                        help="finished jobs in the tables; the last is the backlog, too (10^4 10^5 10^6)")  # fmt: skip
    parser.add_argument("--minutes", type=float, default=60, help="after which no further repeat is begun (60)")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--dry", action="store_true", help="write no document and no results/latest.json")
    return parser.parse_args(words)


def steps(peers: dict[str, Peer], measures: Sequence[str], repeats: int) -> Iterator[Step]:
    """Yield what is to be measured: the first repeat, what is measured once, the other repeats.

    For every measure it goes through all peers, so that a change of the machine's mood meets them alike.
    """
    rates = [measure for measure in measures if measure not in ONCE]
    once = [measure for measure in measures if measure in ONCE]
    for repeat in range(1, repeats + 1):
        for measure in [*rates, *once] if repeat == 1 else rates:
            for name, peer in peers.items():
                if measure in peer.measures:
                    yield repeat, measure, name, peer
