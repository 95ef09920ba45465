"""The results in words: docs/benchmarks.md."""

from pathlib import Path
from typing import Any

from benchmarks import tables
from benchmarks.goals import expectation_table, goal_table

LIMITS = Path(__file__).parent / "limits.md"
"""What limits the figures, written by hand."""

PLOTS = {
    "benchmarks-drain.png": "Drain of no-op jobs, jobs per second, by one and by two processes",
    "benchmarks-enqueue.png": "Enqueue, jobs per second, one by one and many at once",
    "benchmarks-latency.png": "Latency at 50 jobs per second, p50 and p99",
    "benchmarks-growth.png": "Drain by the number of finished jobs in the tables",
}

PREFACE = """\
# Benchmarks

Written by `make bench`; do not edit. The figures are of one run on one machine: compare within a table only.

Every system gets the same work and runs the same functions (`benchmarks/work.py`), one after the other on private
servers; the repeats of all systems take turns. A value is the median of the repeats, with the distance between the
slowest and the fastest as ±half of it in percent.

- **enqueue one** - jobs per second from one process that enqueues one after the other, each in its own transaction.
- **enqueue many** - the same by the system's fastest way to enqueue many at once.
- **drain** - the queue is filled first, then the workers start. The clock starts when the first job begins, which
  stamps the time itself, and stops when the system, asked every 50 ms, has no job that waits or runs. It is the same
  for all, counts no start of a process, and counts the last job's recording where a system records it. As many jobs
  are enqueued as the system is expected to run in the time that a measurement takes.
- **1 ms of work** - the same with jobs that each use 1 ms of processor time.
- **latency** - from before the call that enqueues to the job's first instruction, at 50 jobs per second and one worker
  process; in milliseconds.
- **commands, statements and log** - what the servers count while many no-op jobs are enqueued, and while one process
  drains them, per job, with all that companions (schedulers) do meanwhile. Commands include those that scripts on
  Redis call. A round trip is what Redis reads from a connection at once; a pipeline of more than 16 kB counts as
  several. BEGIN and COMMIT count as statements. WAL is PostgreSQL's log.
- **memory** - proportional set size of two worker processes with their parents and helpers: 4 s after their start, and
  the most while they run jobs of 1 ms.
- **killed in mid-drain** - jobs that each sleep for 5 ms; when 30 % have ended, all worker processes are killed by
  SIGKILL and started again. What has not ended when 35 s have passed without any end is lost if the system knows of no
  unfinished job, and held if it does: such jobs may come back by later rounds or by hand. What was run, but not yet
  recorded, is doubled. [survival.md](survival.md) has the long story.
- **growth** - the same rates with that many finished jobs in the tables, and then, with as many jobs waiting, the rate
  of one process over a fixed time in the midst of them, before and after ANALYZE. In brackets: the multiple of the
  smallest size.

QueueHub keeps every job and every attempt in SQL, with fsync, and runs as it ships, by its public API and commands.
Systems on Redis keep jobs in memory only: their server writes nothing to disk here. The floors are no queues, only the
calls that one would need at least.
"""


def surroundings(value: dict[str, Any]) -> str:
    """Return the machine and the servers as a Markdown list."""
    return "\n".join(f"- {name}: {text}" for name, text in value["machine"].items())


def document(value: dict[str, Any], images: Path) -> str:
    """Return docs/benchmarks.md; plots that are not in `images` are left out."""
    parts = [PREFACE, "## Results\n", tables.all_tables(value)]
    parts += [f"\n![{title}](images/{name})" for name, title in PLOTS.items() if (images / name).exists()]
    parts += ["\n## Goals\n", *goal_table(value)]
    if LIMITS.exists():
        parts.append("\n" + LIMITS.read_text().rstrip())
    if lines := expectation_table(value):
        parts += ["\n## The others beside what was expected of them\n", *lines]
    parts += ["\n## Machine and versions\n", surroundings(value), "\n## Configurations\n"]
    for peer in value["peers"].values():
        versions = ", ".join(f"{name} {version}" for name, version in peer["versions"].items())
        parts.append(f"- **{peer['title']}**: {peer['configuration']}; many at once: {peer['bulk']}; {versions}")
    parts += ["\n## Notes\n", *(f"- {note}" for note in _notes(value))]
    return "\n".join(parts) + "\n"


def _notes(value: dict[str, Any]) -> list[str]:
    runs = value["runs"]
    repeats = max((run["repeat"] for run in runs), default=0)
    minutes = sum(run.get("took_seconds", 0) for run in runs) / 60
    notes = [
        f"{repeats} repeats of at least {value['plan']['seconds']:g} s each, {minutes:.0f} minutes in all; every single"
        " measurement, with its time and the load average after it, is in `benchmarks/results/latest.json`."
    ]
    notes += value.get("notes", {}).values()
    notes += [
        f"Failed: {value['peers'].get(run['peer'], {}).get('title', run['peer'])}, {run['measure']},"
        f" repeat {run['repeat']}: {run['error'].splitlines()[0]}"
        for run in runs
        if "error" in run
    ]
    return notes
