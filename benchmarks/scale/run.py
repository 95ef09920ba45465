"""Measures each page over HTTP with a large ledger, and writes docs/scale.md: `python -m benchmarks.scale.run`.

A private PostgreSQL with `jobs_sample`'s history, a private Valkey, and one uvicorn process as in production. Each page
is asked for until it is warm, then 20 times; the median counts, until the last byte has come.
"""

import argparse
import html
import json
import re
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import psycopg
from redis import Redis

from benchmarks.machine import machine
from benchmarks.scale.site import Site
from benchmarks.servers import PostgreSQL, valkey
from demo.sample_names import QUEUES, RARE_TASK, TASKS

LIMIT_MILLISECONDS = 100
WARM_UP, REPEATS = 3, 20
FAR_PAGE = 500
OUTPUT = Path("docs/scale.md")
NEXT = re.compile(r'<a[^>]*rel="next"[^>]*href="([^"]+)"|<a[^>]*href="([^"]+)"[^>]*rel="next"')


class Timing(NamedTuple):
    """One page's times in milliseconds, and its size in bytes."""

    name: str
    path: str
    median: float
    slowest: float
    size: int


def pages(site: Site, dead_id: str) -> dict[str, str]:
    """Return what is measured: a name and a path."""
    return {
        "Overview": "/",
        "Jobs": "/jobs/",
        "Jobs, dead": "/jobs/?q=state:dead",
        "Jobs, queued, one queue": f"/jobs/?q=state:queued+queue:{QUEUES[1]}",
        "Jobs, a common task": f"/jobs/?q=task:{TASKS[0]}",
        "Jobs, a rare task": f"/jobs/?q=task:{RARE_TASK}",
        "Jobs, nothing found": "/jobs/?q=task:sample.nothing.here",
        f"Jobs, page {FAR_PAGE}": far_page(site),
        "Jobs, by an argument": "/jobs/?q=state:dead+kwargs.user.id:20",
        "Jobs, by an error's text": '/jobs/?q=state:dead+error:"502+Server"',
        "Job, dead, five attempts": f"/jobs/{dead_id}/",
        "Failures": "/failures/",
        "Queues": "/queues/",
        "Workers": "/workers/",
        "Schedules": "/schedules/",
        "Tasks": "/tasks/",
        "Operations": "/operations/",
        "Metrics": "/metrics",
        "Admin: jobs": "/admin/jobs/job/",
        "Admin: dead letters": "/admin/jobs/deadletter/",
        "Admin: one dead letter": f"/admin/jobs/deadletter/{dead_id}/change/",
    }


def far_page(site: Site) -> str:
    """Return the path of page 500 of all jobs, found by its predecessors' links."""
    path = "/jobs/"
    for _ in range(FAR_PAGE - 1):
        found = NEXT.search(site.get(path)[1])
        if found is None:
            raise RuntimeError(f"{path} has no link to the next page")
        link = html.unescape(found[1] or found[2])
        path = f"/jobs/{link}" if link.startswith("?") else link
    return path


def timed(site: Site, name: str, path: str) -> Timing:
    """Ask for a page, warm, and return its times."""
    for _ in range(WARM_UP):
        site.get(path)
    answers = [site.get(path) for _ in range(REPEATS)]
    times = [seconds * 1000 for seconds, _ in answers]
    return Timing(name, path, statistics.median(times), max(times), len(answers[-1][1].encode()))


def report(timings: list[Timing], sample: str, described: dict[str, str]) -> str:
    """Return the page for the docs."""
    lines = [
        "# Pages at scale", "",
        f"Written by `make scale`; do not edit. {sample}. One uvicorn process, PostgreSQL and Valkey on one machine;"
        f" warm, the median of {REPEATS} requests by a logged-in administrator over HTTP until the last byte.", "",
        f"Limit: {LIMIT_MILLISECONDS} ms. Now and then a request takes the counts of waiting jobs by queue that pages"
        " share: the slowest show it. Here these jobs are spread over the whole table, as no queue leaves them.", "",
        "| page | median, ms | slowest, ms | KiB |", "|---|---:|---:|---:|",
    ]  # fmt: skip
    for each in timings:
        mark = "**" if each.median > LIMIT_MILLISECONDS else ""
        lines.append(f"| {each.name} | {mark}{each.median:.0f}{mark} | {each.slowest:.0f} | {each.size / 1024:.0f} |")
    lines += ["", *(f"- {name}: {value}" for name, value in described.items()), ""]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run; return 1 if a page took longer than its limit."""
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--attempts", type=int, help="1.2 for each job")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    attempts = options.attempts or options.jobs * 6 // 5
    with tempfile.TemporaryDirectory(prefix="queuehub-scale-", dir="/tmp") as name:  # nosec B108 # short socket paths
        directory = Path(name)
        directory.chmod(0o755)
        database, broker = PostgreSQL(directory / "postgresql").start(), valkey(directory)
        database.create("scale")
        site = Site(directory, {"DATABASE_URL": database.url("scale"), "REDIS_URL": broker.url})
        try:
            site.manage("migrate", "-v0")
            sys.stdout.write(site.manage("jobs_sample", f"--jobs={options.jobs}", f"--attempts={attempts}",
                                         f"--seed={options.seed}"))  # fmt: skip
            dead_id = settle(directory / "postgresql")
            site.start()
            timings = []
            for title, path in pages(site, dead_id).items():
                timings.append(timed(site, title, path))
                sys.stdout.write(f"{title:30} {timings[-1].median:7.1f} ms  {path}\n")
                sys.stdout.flush()
            described = machine(directory, database, Redis.from_url(broker.url))
        finally:
            site.stop()
            broker.stop()
            database.stop()
    sample = f"{options.jobs:,} jobs, {attempts:,} attempts, seed {options.seed}"
    OUTPUT.write_text(report(timings, sample, described))
    OUTPUT.with_suffix(".json").write_text(json.dumps([each._asdict() for each in timings], indent=1) + "\n")
    slow = [each.name for each in timings if each.median > LIMIT_MILLISECONDS]
    sys.stdout.write(f"over {LIMIT_MILLISECONDS} ms: {', '.join(slow) or 'none'}\n")
    return int(bool(slow))


def settle(directory: Path) -> str:
    """Do what autovacuum would do in the minutes after so many rows; return the id of a dead job."""
    with psycopg.connect(host=str(directory), user="queuehub", dbname="scale", autocommit=True) as link:
        link.execute("VACUUM ANALYZE")
        row = link.execute("SELECT id FROM jobs_job WHERE state = 'dead' ORDER BY id DESC LIMIT 1").fetchone()
    if row is None:
        raise RuntimeError("the sample has no dead job")
    return str(row[0])


if __name__ == "__main__":
    sys.exit(main())
