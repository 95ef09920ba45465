"""Objectives of tasks, and the Prometheus rules that watch them.

A task promises that 95 % of its runs wait no longer than `slo_wait_p95_seconds`, that a share `slo_success_ratio` of
its jobs succeeds, or both. What may fail is the error budget of 30 days. An alert fires when the budget burns several
times too fast over a long window and over a short one: the long one keeps it quiet about trifles, the short one ends
it soon after the trouble. Windows and factors are those that "The Site Reliability Workbook" (Google, 2018, chapter 5,
"Multiwindow, Multi-Burn-Rate Alerts") recommends.
"""

import json
import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from jobs.definition import JobTask
from jobs.errors import InvalidJob, shown
from jobs.models.statistic import BUCKET_BOUNDS

WAIT_BUDGET = 0.05
"""The share of runs that may wait longer than a 95th percentile."""

WINDOWS = ("5m", "30m", "1h", "6h", "3d")


class Burn(NamedTuple):
    """Fire when the budget burns `factor` times too fast over both windows."""

    factor: float
    long: str
    short: str
    spent: str


FAST = (Burn(14.4, "1h", "5m", "2 %"), Burn(6, "6h", "30m", "5 %"))
SLOW = (Burn(1, "3d", "6h", "10 %"),)


def check_objectives(task: JobTask) -> None:
    """Check what a task promises, when it is declared.

    Raises: InvalidJob.
    """
    wait, ratio = task.slo_wait_p95_seconds, task.slo_success_ratio
    if wait is not None and not (_is_number(wait) and 0 < wait <= BUCKET_BOUNDS[-1]):
        raise InvalidJob(
            "slo_wait_p95_seconds", f"{shown(wait)} cannot be measured.",
            f"Pass seconds above 0, up to {BUCKET_BOUNDS[-1]:g}.",
        )  # fmt: skip
    if ratio is not None and not (_is_number(ratio) and 0 < ratio < 1):
        raise InvalidJob(
            "slo_success_ratio", f"{shown(ratio)} is no share with a budget for errors.",
            "Pass a number between 0 and 1, such as 0.999.",
        )  # fmt: skip


def rules(tasks: Iterable[JobTask], docs: str) -> str:
    """Return a file of Prometheus rules, as YAML, for the objectives of these tasks.

    `docs` is where the documents are, up to and with the last slash, for `runbook_url`.
    """
    promising = sorted({task.module_path: task for task in tasks if _objectives(task)}.items())
    lines = ["# Made by `manage.py jobs_alerts`: recording rules and burn-rate alerts of the tasks' objectives."]
    if not promising:
        return "\n".join([*lines, "groups: []", ""])
    lines.append("groups:")
    for name, task in promising:
        lines += _group(f"queuehub_objectives_{name}", [rule for each in _objectives(task) for rule in each.records()])
    lines += _group("queuehub_objective_alerts", _alerts(docs))
    return "\n".join([*lines, ""])


class Objective(NamedTuple):
    """One promise of one task: the share that may fail, and PromQL for the share that fails over a window."""

    task: str
    name: str
    budget: float
    failed: str
    total: str

    def records(self) -> Iterator[dict[str, Any]]:
        labels = {"objective": self.name, "task": self.task}
        yield {"record": "task:queuehub_objective:budget", "expr": f"vector({self.budget:.6g})", "labels": labels}
        for window in WINDOWS:
            share = f"({self.failed}) / ({self.total})".replace("WINDOW", window)
            yield {"record": f"task:queuehub_objective_failures:ratio_rate{window}", "expr": share, "labels": labels}


def _objectives(task: JobTask) -> list[Objective]:
    name, made = task.module_path, []
    if task.slo_wait_p95_seconds is not None:
        total = _rate("queuehub_job_wait_seconds_count", f'task="{name}"', "queue")
        failed = f"{total} - ({_waited_at_most(name, task.slo_wait_p95_seconds)})"
        made.append(Objective(name, "wait", WAIT_BUDGET, failed, total))
    if task.slo_success_ratio is not None:
        failed, total = (
            _rate("queuehub_jobs_finished_total", f'task="{name}",state=~"{states}"', "queue, state")
            for states in ("dead", "succeeded|dead")
        )
        made.append(Objective(name, "success", 1 - task.slo_success_ratio, failed, total))
    return made


def _waited_at_most(name: str, seconds: float) -> str:
    """Return PromQL for the rate of runs that waited so long at most.

    Between two bounds of the histogram it lies on a straight line, as for histogram_quantile().
    """
    place = bisect_left(BUCKET_BOUNDS, seconds)
    upper, lower = BUCKET_BOUNDS[place], BUCKET_BOUNDS[place - 1] if place else 0.0
    share = (seconds - lower) / (upper - lower)
    parts = [(share, upper)]
    if share < 1 and place:
        parts.append((1 - share, lower))
    return " + ".join(f"{part:.6g} * {_rate_up_to(bound, name)}" for part, bound in parts)


def _rate_up_to(bound: float, name: str) -> str:
    return _rate("queuehub_job_wait_seconds_bucket", f'task="{name}",le="{bound!r}"', "queue, le")


def _rate(metric: str, matchers: str, summed: str) -> str:
    """Return PromQL of a rate by task. Every web process shows the same totals, hence the maximum before the sum."""
    return f"sum without ({summed}) (max without (instance, pod) (rate({metric}{{{matchers}}}[WINDOW])))"


def _alerts(docs: str) -> list[dict[str, Any]]:
    return [
        _alert(docs, "QueueHubObjectiveBurnsFast", "critical", "2m", FAST),
        _alert(docs, "QueueHubObjectiveBurnsSlowly", "warning", "15m", SLOW),
    ]


def _alert(docs: str, name: str, severity: str, patience: str, burns: Iterable[Burn]) -> dict[str, Any]:
    spent = " or ".join(f"{burn.spent} of the budget of 30 days within {burn.long}" for burn in burns)
    return {
        "alert": name,
        "expr": " or ".join(f"({_over(burn.long, burn)} and {_over(burn.short, burn)})" for burn in burns),
        "for": patience,
        "labels": {"severity": severity},
        "annotations": {
            "summary": "{{ $labels.task }} misses its objective ({{ $labels.objective }}).",
            "description": f"{{{{ $value | humanizePercentage }}}} of its work fails it; that spends {spent}.",
            "runbook_url": f"{docs}alerts.md#{name.lower()}",
        },
    }


def _over(window: str, burn: Burn) -> str:
    budget = f"{burn.factor:g} * task:queuehub_objective:budget"
    return f"task:queuehub_objective_failures:ratio_rate{window} > on (task, objective) group_left () ({budget})"


def _group(name: str, made: Iterable[dict[str, Any]]) -> list[str]:
    lines = [f"  - name: {json.dumps(name)}", "    rules:"]
    for rule in made:
        for number, (key, value) in enumerate(rule.items()):
            lines.append(f"      {'-' if number == 0 else ' '} {key}:{'' if isinstance(value, dict) else ' '}")
            if isinstance(value, dict):
                lines += [f"          {inner}: {json.dumps(text, ensure_ascii=False)}" for inner, text in value.items()]
            else:
                lines[-1] += json.dumps(value, ensure_ascii=False)
    return lines


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
