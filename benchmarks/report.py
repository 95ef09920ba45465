"""The results in words: a table, and docs/benchmarks.md around it."""

from typing import Any

from benchmarks.results import figures, middle, spread

HEADINGS = {
    "single": "enqueue one",
    "bulk": "enqueue many",
    "drain-noop-1": "drain, 1 process",
    "drain-noop-2": "drain, 2 processes",
    "drain-work-1": "1 ms of work, 1 process",
    "drain-work-2": "1 ms of work, 2 processes",
}
BASE = "rq-simple"
"""The peer to which the ratios refer."""

PREFACE = """\
# Benchmarks

Written by `make bench`; do not edit. The figures are of one run on one machine: compare within a table
only.

Every system gets the same work and runs the same functions (`benchmarks/work.py`), one after the other on private
servers; the repeats of all systems take turns. A value is the median of the repeats, with the distance between the
slowest and the fastest as ±half of it in percent.

- **enqueue one** - jobs per second from one process that enqueues one after the other, each in its own transaction.
- **enqueue many** - the same by the system's fastest way to enqueue many at once.
- **drain** - the queue is filled first, then the workers start. The clock starts when the first job begins, which
  stamps the time itself, and stops when the system, asked every 50 ms, has no job that waits or runs. It is the same
  for all, counts no start of a process, and counts the last job's recording where a system records it.
- **1 ms of work** - the same with jobs that each use 1 ms of processor time.
- **latency** - from before the call that enqueues to the job's first instruction, at 50 jobs per second and one worker
  process; in milliseconds.

QueueHub keeps every job and every attempt in SQL, with fsync, and runs as it ships, by its public API and commands.
Systems on Redis keep jobs in memory only: their server writes nothing to disk here. The floors are no queues, only the
calls that one would need at least.
"""


def table(value: dict[str, Any]) -> str:
    """Return the tables as Markdown."""
    return "\n".join([*_rates(value), "", *_latencies(value)])


def surroundings(value: dict[str, Any]) -> str:
    """Return the machine and the servers as a Markdown list."""
    return "\n".join(f"- {name}: {text}" for name, text in value["machine"].items())


def document(value: dict[str, Any]) -> str:
    """Return docs/benchmarks.md."""
    parts = [
        PREFACE,
        "## Results\n",
        table(value),
        "\n## Machine and versions\n",
        surroundings(value),
        "\n## Configurations\n",
    ]
    for peer in value["peers"].values():
        versions = ", ".join(f"{name} {version}" for name, version in peer["versions"].items())
        parts.append(f"- **{peer['title']}**: {peer['configuration']}; many at once: {peer['bulk']}; {versions}")
    plan = value["plan"]
    parts.append(f"\n{plan['repeats']} repeats of at least {plan['seconds']:g} s each; load average before each: see")
    parts.append("benchmarks/results/latest.json, which has every single measurement.")
    return "\n".join(parts) + "\n"


def _rates(value: dict[str, Any]) -> list[str]:
    measures = [measure for measure in HEADINGS if measure in value["plan"]["measures"]]
    if not measures:
        return []
    lines = [
        "| jobs per second | " + " | ".join(HEADINGS[measure] for measure in measures) + " |",
        "|---" + "|---:" * len(measures) + "|",
    ]
    for name, peer in value["peers"].items():
        cells = [_cell(value, name, measure) for measure in measures]
        lines.append(f"| {peer['title']} | " + " | ".join(cells) + " |")
    if BASE in value["peers"]:
        lines += ["", f"In brackets: the multiple of {value['peers'][BASE]['title']}."]
    return lines


def _cell(value: dict[str, Any], name: str, measure: str) -> str:
    values = figures(value, name, measure)
    rate = middle(values)
    if rate is None:
        return "-"
    base = middle(figures(value, BASE, measure))
    ratio = f" ({rate / base:.3g} x)" if base and name != BASE else ""
    return f"{rate:,.0f} ±{spread(values) * 50:.0f} %{ratio}"


def _latencies(value: dict[str, Any]) -> list[str]:
    if "latency" not in value["plan"]["measures"]:
        return []
    lines = ["| latency at 50 jobs/s, ms | p50 | p95 | p99 |", "|---|---:|---:|---:|"]
    for name, peer in value["peers"].items():
        series = [figures(value, name, "latency", field) for field in ("p50", "p95", "p99")]
        if all(series):
            cells = [f"{middle(values):.1f} ±{spread(values) * 50:.0f} %" for values in series]
            lines.append(f"| {peer['title']} | " + " | ".join(cells) + " |")
    return lines
