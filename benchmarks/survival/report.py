"""The figures in words: the tables, and docs/survival.md around them."""

from collections import Counter
from collections.abc import Sequence
from statistics import mean
from typing import Any

from benchmarks.survival.systems import BROKER, FLUSH, HOST, KILLS, SYSTEMS

COUNTS = {
    "faults": "faults",
    "acknowledged": "acknowledged",
    "finished": "finished",
    "lost": "lost",
    "stranded": "stranded",
    "failed": "marked failed",
    "twice": "run twice",
    "cut_off": "cut off",
}
TIMES = {"recovery_p99_seconds": "p99", "recovery_max_seconds": "max"}
HEADINGS = {
    KILLS: "kill -9 of a worker each second, ten times",
    HOST: "kill -9 of the whole host, back after 5 s",
    FLUSH: "FLUSHALL three times under load",
    BROKER: "kill -9 of the broker without saving, back after 1 s",
}

PREFACE = """\
# Survival

Written by `make survival`; do not edit. What becomes of jobs that a queue has accepted when workers, whole hosts and
the broker die: QueueHub, RQ, Celery and Dramatiq on the same faults, each with its defaults and with what its
documentation recommends for reliability. The figures are about **counts, not speed**; the machine was shared while
they were taken. Speed is in [benchmarks.md](benchmarks.md), what QueueHub promises in [guarantees.md](guarantees.md).

## Method

- **Load.** One producer enqueues {backlog:,} jobs one by one before the workers start, so that every system has a
  backlog when the fault comes, and {backlog:,} more at {rate:g} per second once they work. When the call that enqueues
  returns, the job's number goes to a log that is synced to disk: it is *acknowledged*. Each job appends a line to a
  journal, sleeps {milliseconds:g} ms and appends another. There are two workers with one slot each. Each trial has a
  private Valkey without persistence: `appendonly no`, which is its default, and `save ""`, which is not; snapshots
  would bring back what is older than the last one. For QueueHub, it has a private database on a PostgreSQL with fsync.
- **Faults.** *Kills*: ten times, at least a second apart, a worker with all its children gets SIGKILL and is started
  again at once; the seed chooses which of those that have worked for a second. *Host*: once, everything but the
  producer, the broker and the database gets SIGKILL, QueueHub's scheduler too, and is started again 5 s later.
  *FLUSHALL*: three times while jobs are enqueued. *Broker*: SIGKILL, started again, empty, after 1 s. Processes that
  end by themselves are started again after a second, as a supervisor does.
- **Wait.** A trial ends when the system holds no acknowledged job any more and nothing was written for 5 s, or when
  nothing was written for the time in the column *waited*: longer than the documented recovery where that is at most two
  minutes. Where it is longer, the jobs are counted as *stranded* here, though the system would come back to them; the
  *hurried* configurations set the documented options so that recovery comes within the wait.
- **Columns.** *finished*: ran to its end. *lost*: did not, and the system has no trace of it. *stranded*: did not, and
  the system still holds it somewhere. *marked failed*: did not, and the system shows it as failed to an operator.
  *run twice*: two ends in the journal. *cut off*: begun by a worker that was killed before the end, whatever became of
  it. *p99*, *max*: seconds from the fault to the end of the jobs that were cut off, or that ended over 2 s after a job
  acknowledged later, if they ended at all; the backlog at that time is in it. *waiting*: jobs that were acknowledged
  and had not ended when a fault came, on average.
- **Repeats** have different seeds. A cell is the sum, with the single trials in brackets where they differ.
"""

REASONS = """\
## Why

- **FLUSHALL** takes every job that is kept in Redis alone, and so does a broker that dies without having saved; with
  `appendonly yes` the latter costs what was written in the last second (`appendfsync everysec`, the default).
  QueueHub's messages are hints, and its jobs are rows.
- **Run twice** is what at-least-once means. QueueHub settles ended runs in batches, 10 ms and a commit after they end,
  so a kill may find a few that have ended and are not recorded; shorter jobs mean more of them. The others record each
  run by itself, and the window is narrower.
- **QueueHub's times** hold the backlog: what a dead worker had is queued again behind what waits in Redis already, so
  under a backlog it runs last. In a trial whose attempts were looked at, the ledger had the losses of the six kills
  that could be told apart 1.7 to 4.0 s later.
- **Celery** takes a message off the queue by BRPOP and writes it down as *unacknowledged* afterwards: what is between
  the two in a worker that dies is lost, in any configuration. By default a message is acknowledged before its job
  begins: *lost in mid-run*. What a dead worker had prefetched stays *unacknowledged* until `visibility_timeout` has
  passed.
- **RQ** with one queue moves a job to an *intermediate queue* and to the *started registry*. The registry's entry of a
  dead worker expires after 90 s; a maintenance each 10 minutes marks the job as failed, or runs it again if the job was
  enqueued with `Retry`. With two queues it takes jobs by BLPOP: what a worker had taken and not begun is named only by
  *its own record*, status queued, and nothing looks for it.
- **Dramatiq** keeps messages *unacknowledged* until the worker's heartbeat is 60 s old and a maintenance happens, which
  one command in a thousand triggers: idle workers may take minutes.
"""


def words(value: dict[str, Any]) -> str:
    """Return one trial in a line."""
    if "error" in value:
        return f"failed: {value['error']}"
    counts = ", ".join(f"{name} {value[name]}" for name in (*COUNTS, "held_up"))
    return f"{counts}, max {value['recovery_max_seconds']} s, {value['places']}, took {value['took_seconds']} s"


def table(value: dict[str, Any]) -> str:
    """Return one table for each scenario as Markdown."""
    parts = []
    for scenario in value["plan"]["scenarios"]:
        lines = _rows(value, scenario)
        if lines:
            parts += [f"### {HEADINGS[scenario]}\n", *_head(), *lines, ""]
    return "\n".join(parts)


def document(value: dict[str, Any]) -> str:
    """Return docs/survival.md."""
    plan = value["plan"]
    seeds = ", ".join(str(value["seed"] + number) for number in range(plan["repeats"]))
    loads = [run["load"] for run in value["runs"]]
    parts = [PREFACE.format(**plan), "## Results\n", table(value), REASONS, "## Configurations\n"]
    parts += [_described(name, value["peers"][name]) for name in SYSTEMS if name in value["peers"]]
    parts += ["\n## Machine, versions and command\n"]
    parts += [f"- {name}: {text}" for name, text in value["machine"].items() if name != "sqlite"]
    parts += [
        f"- seeds: {seeds}; load average during the trials: {min(loads):g} to {max(loads):g}",
        f"- duration: {value['took_seconds'] / 60:.0f} minutes\n",
        "```sh",
        "make survival                                                        # all of it, anew",
        'make survival SURVIVAL="--peers queuehub rq --scenarios kills"       # a part',
        f'make survival SURVIVAL="--seed {value["seed"]} --repeats {plan["repeats"]}"',
        'make survival SURVIVAL="--resume"                                    # go on after a break',
        "```\n",
        "Every single trial is in [survival.json](survival.json).",
    ]
    return "\n".join(parts) + "\n"


def _head() -> list[str]:
    names = ["", *COUNTS.values(), *TIMES.values(), "waiting", "waited", "where the rest is"]
    return ["| " + " | ".join(names) + " |", "|---" + "|---:" * (len(names) - 2) + "|---|"]


def _rows(value: dict[str, Any], scenario: str) -> list[str]:
    lines = []
    for name, system in SYSTEMS.items():
        runs = [run for run in value["runs"] if (run["peer"], run["measure"]) == (name, scenario)]
        made = [run for run in runs if "error" not in run]
        if made:
            cells = [_count([run[field] for run in made]) for field in COUNTS]
            cells += [_seconds([run[field] for run in made]) for field in TIMES]
            cells += [f"{mean(count for run in made for count in run['waiting_at_faults']):.0f}"]
            cells += [f"{system.quiet_seconds:g} s", _places(made)]
            lines.append(f"| {system.title} | " + " | ".join(cells) + " |")
        elif runs:
            lines.append(f"| {system.title} | no trial succeeded" + " |" * (len(COUNTS) + len(TIMES) + 3))
    return lines


def _count(values: Sequence[int]) -> str:
    single = ", ".join(str(value) for value in values)
    return f"{sum(values):,} ({single})" if len(set(values)) > 1 else f"{sum(values):,}"


def _seconds(values: Sequence[float | None]) -> str:
    return ", ".join("-" if value is None else f"{value:.1f}" for value in values) if any(values) else "-"


def _places(runs: Sequence[dict[str, Any]]) -> str:
    found: Counter[str] = Counter()
    for run in runs:
        found.update(run["places"])
        found["lost in mid-run"] += run["lost_in_mid_run"]
        found["refused, so not acknowledged"] += run["refused"]
        found["processes that ended by themselves"] += run["self_ended"]
    return ", ".join(f"{place}: {count}" for place, count in found.items() if count)


def _described(name: str, peer: dict[str, Any]) -> str:
    system = SYSTEMS[name]
    versions = ", ".join(f"{package} {version}" for package, version in peer["versions"].items())
    links = ", ".join(f"[{number}]({link})" for number, link in enumerate(system.documents, start=1))
    return f"- **{system.title}**: {peer['configuration']}; recovery: {system.recovery}; {links}; {versions}"
