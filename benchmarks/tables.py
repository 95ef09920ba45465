"""The results as tables in Markdown."""

from collections.abc import Callable
from typing import Any

from benchmarks.results import figures, median_of, middle, single_run, spread

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

MEGABYTE = 1_000_000


def all_tables(value: dict[str, Any]) -> str:
    """Return every table of which there are figures, with headings."""
    parts = []
    for heading, table in (
        ("Throughput", rates),
        ("Latency", latencies),
        ("Commands, statements and log per job", costs),
        ("Memory", memories),
        ("Killed in mid-drain", kills),
        ("Growth", growths),
    ):
        if lines := table(value):
            parts.append("\n".join([f"### {heading}", "", *lines]))
    return "\n\n".join(parts)


def rates(value: dict[str, Any]) -> list[str]:
    """Return throughput: medians, spreads, and multiples of one peer."""
    measures = [measure for measure in HEADINGS if any(figures(value, name, measure) for name in value["peers"])]
    lines = _table(
        ["jobs per second", *(HEADINGS[measure] for measure in measures)],
        [[value["peers"][name]["title"], *(_rate(value, name, m) for m in measures)] for name in value["peers"]],
    )
    if lines and BASE in value["peers"]:
        lines += ["", f"In brackets: the multiple of {value['peers'][BASE]['title']}."]
    return lines if measures else []


def latencies(value: dict[str, Any]) -> list[str]:
    """Return latencies: medians and spreads."""
    rows = []
    for name, peer in value["peers"].items():
        series = [figures(value, name, "latency", field) for field in ("p50", "p95", "p99")]
        if all(series):
            rows.append([peer["title"], *(f"{middle(found):.1f} ±{spread(found) * 50:.0f} %" for found in series)])
    return _table(["latency at 50 jobs/s, ms", "p50", "p95", "p99"], rows)


def costs(value: dict[str, Any]) -> list[str]:
    """Return what a job costs its servers while many are enqueued, and while one process drains them."""

    def row(peer: dict[str, Any], run: dict[str, Any]) -> list[str]:
        cells = [peer["title"]]
        for part in ("enqueue", "drain"):
            cells += [_small(run[part][field]) for field in ("commands", "reads", "statements")]
            cells.append("-" if run[part]["wal_bytes"] is None else f"{run[part]['wal_bytes']:,.0f}")
        return cells

    names = ["Redis commands", "Redis round trips", "SQL statements", "WAL bytes"]
    headings = [*(f"enqueue many: {name}" for name in names), *(f"drain: {name}" for name in names)]
    return _of_single_runs(value, "cost", ["per job", *headings], row)


def memories(value: dict[str, Any]) -> list[str]:
    """Return the memory of two worker processes."""

    def row(peer: dict[str, Any], run: dict[str, Any]) -> list[str]:
        fields = ("idle_bytes", "busy_bytes", "companions_bytes")
        return [peer["title"], *(f"{run[field] / MEGABYTE:.0f}" if run[field] else "-" for field in fields)]

    headings = ["MB (PSS), two worker processes", "idle", "busy", "companions, idle"]
    return _of_single_runs(value, "memory", headings, row)


def kills(value: dict[str, Any]) -> list[str]:
    """Return what became of jobs whose workers were killed."""

    def row(peer: dict[str, Any], run: dict[str, Any]) -> list[str]:
        fields = ("count", "interrupted", "lost", "held", "doubled")
        return [peer["title"], *(f"{run[field]:,}" for field in fields), f"{run['recovery_seconds']:.1f}"]

    headings = ["jobs", "enqueued", "interrupted", "lost", "held", "doubled", "last end after the kill, s"]
    return _of_single_runs(value, "kill", headings, row)


def growths(value: dict[str, Any]) -> list[str]:
    """Return rates by the size of the tables."""
    rows: list[list[str]] = []
    for name, peer in value["peers"].items():
        run = single_run(value, name, "growth")
        if run is None:
            continue
        first = run["steps"][0]
        for step in run["steps"]:
            cells = [_of_first(step[field], first[field]) for field in ("single", "bulk", "drain")]
            rows.append([peer["title"], f"{step['finished']:,}", "-", *cells])
        backlog = run["backlog"]
        bulk, before, after = (
            _of_first(backlog[field], first[base])
            for field, base in (("bulk", "bulk"), ("before", "drain"), ("after", "drain"))
        )
        last = f"{run['steps'][-1]['finished']:,}"
        rows.append([peer["title"], last, f"{backlog['rows']:,}", "-", bulk, f"{before}, after ANALYZE {after}"])
    headings = ["jobs per second", "finished jobs", "backlog", "enqueue one", "enqueue many", "drain, 1 process"]
    return _table(headings, rows)


def in_a_line(value: dict[str, Any]) -> str:
    """Return nested figures in few words, for the terminal."""
    words = []
    for key, figure in value.items():
        if isinstance(figure, dict):
            words.append(f"{key} ({in_a_line(figure)})")
        elif isinstance(figure, list):
            words.append(f"{key} " + "; ".join(in_a_line(part) for part in figure))
        elif key.endswith("_bytes") and figure is not None and figure > MEGABYTE:
            words.append(f"{key.removesuffix('_bytes')} {figure / MEGABYTE:.0f} MB")
        else:
            words.append(f"{key} {_small(figure)}")
    return ", ".join(words)


def _rate(value: dict[str, Any], name: str, measure: str) -> str:
    rate = median_of(value, name, measure)
    if rate is None:
        return "-"
    base = median_of(value, BASE, measure)
    ratio = f" ({rate / base:.3g} x)" if base and name != BASE else ""
    return f"{rate:,.0f} ±{spread(figures(value, name, measure)) * 50:.0f} %{ratio}"


def _of_single_runs(
    value: dict[str, Any],
    measure: str,
    headings: list[str],
    row: Callable[[dict[str, Any], dict[str, Any]], list[str]],
) -> list[str]:
    runs = {name: single_run(value, name, measure) for name in value["peers"]}
    return _table(headings, [row(value["peers"][name], run) for name, run in runs.items() if run is not None])


def _table(headings: list[str], rows: list[list[str]]) -> list[str]:
    if not rows:
        return []
    return [
        "| " + " | ".join(headings) + " |",
        "|---" + "|---:" * (len(headings) - 1) + "|",
        *("| " + " | ".join(cells) + " |" for cells in rows),
    ]


def _of_first(rate: float | None, first: float) -> str:
    if rate is None:
        return "-"
    return f"{rate:,.0f} ({rate / first:.2f} x)" if first else f"{rate:,.0f}"


def _small(figure: float | None) -> str:
    if figure is None:
        return "-"
    return f"{figure:,.0f}" if figure >= 100 or figure == int(figure) else f"{figure:.3g}"
