"""Draws the results: `python -m benchmarks.plots RESULTS.json DIRECTORY`, in the peers' environment."""

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib import pyplot

from benchmarks.results import median_of, single_run

OWN, OWN_LIGHT = "#1f6feb", "#8bb8f8"
OTHER, OTHER_LIGHT = "#6e7681", "#c3c9d0"
DOTS_PER_INCH = 110


def bars(
    value: dict[str, Any], series: list[tuple[str, str, str]], title: str, path: Path, digits: int = 0
) -> None:
    """Draw a group of horizontal bars for each peer, on a logarithmic scale; a series is (measure, field, label)."""
    found = {
        name: [median_of(value, name, measure, field) for measure, field, _ in series] for name in value["peers"]
    }
    names = [name for name, figures in found.items() if all(figures)]
    if not names:
        return
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.45 * len(names)), layout="constrained")
    height = 0.8 / len(series)
    for position, name in enumerate(reversed(names)):
        is_own = name.startswith("queuehub")
        for index, rate in enumerate(found[name]):
            shade = ((OWN, OWN_LIGHT) if is_own else (OTHER, OTHER_LIGHT))[index % 2]
            place = position + 0.4 - height * (index + 0.5)
            drawn = axes.barh(place, rate, height, color=shade)
            axes.bar_label(drawn, [f"{rate:,.{digits}f}"], padding=3, fontsize=7)
    axes.set_yticks(range(len(names)), [value["peers"][name]["title"] for name in reversed(names)], fontsize=8)
    axes.set_xscale("log")
    least, most = (chosen(rate for name in names for rate in found[name] if rate) for chosen in (min, max))
    axes.set_xlim(least / 2, most * 2)
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.set_xlabel("logarithmic scale", fontsize=8)
    labels = " / ".join(label for _, _, label in series)
    axes.set_title(f"{title}: {labels} (dark, light)", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=DOTS_PER_INCH)
    pyplot.close(figure)


def growth(value: dict[str, Any], path: Path) -> None:
    """Draw the drains of the systems in SQL by the size of their tables, as shares of the smallest."""
    runs = {name: single_run(value, name, "growth") for name in value["peers"]}
    grown = {name: run for name, run in runs.items() if run is not None}
    if not grown:
        return
    figure, axes = pyplot.subplots(figsize=(9, 4), layout="constrained")
    for name, run in grown.items():
        first = run["steps"][0]["drain"]
        sizes = [f"{step['finished']:,}" for step in run["steps"]]
        shares = [step["drain"] / first for step in run["steps"]]
        places = [*sizes, f"{run['backlog']['rows']:,} and as many waiting", "the same after ANALYZE"]
        shares += [run["backlog"]["before"] / first, run["backlog"]["after"] / first]
        line = "-" if name.startswith("queuehub") else "--"
        axes.plot(places, shares, line, marker="o", label=value["peers"][name]["title"])
    axes.set_ylim(bottom=0)
    axes.set_title("drain, 1 process, by finished jobs in the tables: share of the smallest size", fontsize=10)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=DOTS_PER_INCH)
    pyplot.close(figure)


def main(results: Path, directory: Path) -> None:
    """Draw all plots of which there are figures."""
    value = json.loads(results.read_text())
    directory.mkdir(parents=True, exist_ok=True)
    drain = [("drain-noop-1", "rate", "one process"), ("drain-noop-2", "rate", "two")]
    bars(value, drain, "drain, no-op jobs per second", directory / "benchmarks-drain.png")
    enqueue = [("single", "rate", "one by one"), ("bulk", "rate", "many at once")]
    bars(value, enqueue, "enqueue, jobs per second", directory / "benchmarks-enqueue.png")
    latency = [("latency", "p50", "p50"), ("latency", "p99", "p99")]
    bars(value, latency, "latency at 50 jobs/s, ms", directory / "benchmarks-latency.png", digits=1)
    growth(value, directory / "benchmarks-growth.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
