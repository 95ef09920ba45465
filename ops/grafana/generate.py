"""Write the two Grafana dashboards beside this file: `python ops/grafana/generate.py`.

They need Grafana 12 and no plug-in. The data source, the site (Prometheus's `job`), queue and task are variables. Every
web process exports the same totals and gauges of the ledger, so that `once()` takes the maximum over the processes
before anything is added up; only what a process counts for itself is summed over them.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent
COLUMNS = 24
HEIGHT = 8
SITE = 'job="$job"'
CHOSEN = 'job="$job",queue=~"$queue",task=~"$task"'
OF_QUEUE = 'job="$job",queue=~"$queue"'
FAILED = 'outcome=~"error|timeout|lost"'
ENDED = 'outcome=~"success|error|timeout|lost"'
QUEUED, DEAD, BUSY = 'state="queued"', 'state="dead"', 'state="busy"'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
UP = [{"type": "value", "options": {"0": {"text": "down", "color": "red"}, "1": {"text": "up", "color": "green"}}}]
NO_SHARE = [{"type": "special", "options": {"match": "nan", "result": {"text": "none"}}}]
"""A share of nothing."""
VERSION = "12.0.0"
"""Of Grafana, by whose rules the options are written; without it they are taken for those of old plug-ins."""
QUANTILES = (0.5, 0.95, 0.99)
NOW = ("stat", "bargauge")
"""Kinds of panels that show the present value alone."""
LAST = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "orientation": "auto"}
OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": LAST | {"colorMode": "value", "graphMode": "none", "justifyMode": "auto", "textMode": "auto"},
    "bargauge": LAST | {"orientation": "horizontal", "displayMode": "basic", "showUnfilled": True},
    # without options a heat map is taken for one of Grafana 8, which works its buckets out itself
    "heatmap": {
        "calculate": False, "yAxis": {"unit": "s", "axisPlacement": "left"}, "cellValues": {"unit": "cps"},
        "color": {
            "mode": "scheme", "scheme": "Oranges", "fill": "dark-orange", "exponent": 0.5, "steps": 64,
            "reverse": False,
        },
        "tooltip": {"mode": "single", "yHistogram": True}, "legend": {"show": True},
    },
}  # fmt: skip


class Panel(NamedTuple):
    """One panel: its queries by legend, the unit of its values, its place's width and how it is drawn.

    `steps` are the values from which a present value has another colour, in order, the first without a bound; without
    steps it says nothing of good or bad. Grafana's own would be red from 80 on.
    """

    title: str
    queries: dict[str, str]
    unit: str = "short"
    width: int = 8
    kind: str = "timeseries"
    about: str = ""
    steps: tuple[tuple[float | None, str], ...] = ()


def once(metric: str, *matchers: str) -> str:
    """Return PromQL of a gauge, once however many web processes say it."""
    return f"max without (instance, pod) ({metric}{{{','.join(matchers)}}})"


def rate(metric: str, *matchers: str) -> str:
    """Return PromQL of a counter's rate, once however many web processes say it."""
    return f"max without (instance, pod) (rate({metric}{{{','.join(matchers)}}}[$__rate_interval]))"


def share_failed(matchers: str) -> str:
    """Return PromQL of the share of attempts that failed."""
    failed, ended = (rate("queuehub_attempts_finished_total", matchers, outcomes) for outcomes in (FAILED, ENDED))
    return f"sum({failed}) / sum({ended})"


def quantiles(metric: str, matchers: str) -> dict[str, str]:
    """Return the queries of a histogram's quantiles."""
    buckets = f"sum by (le) ({rate(f'{metric}_bucket', matchers)})"
    return {f"p{100 * share:g}": f"histogram_quantile({share}, {buckets})" for share in QUANTILES}


def light(title: str, metric: str) -> Panel:
    """Return a small panel that says up or down."""
    return Panel(title, {"": once(metric, SITE)}, "none", 3, "stat")


OVERVIEW = [
    light("Ledger", "queuehub_ledger_up"),
    light("Broker", "queuehub_broker_up"),
    light("Scheduler", "queuehub_scheduler_leader"),
    Panel("Workers", {"": once("queuehub_workers", SITE, 'state="active"')}, width=3, kind="stat",
          steps=((None, "red"), (1, "green"))),
    Panel("Busy slots", {
        "": f"sum({once('queuehub_worker_slots', SITE, BUSY)}) / sum({once('queuehub_worker_slots', SITE)})",
    }, "percentunit", 3, "stat", steps=((None, "green"), (0.8, "orange"), (0.95, "red"))),
    Panel("Queued", {"": f"sum({once('queuehub_queue_jobs', SITE, QUEUED)})"}, width=3, kind="stat"),
    Panel("Dead letters", {"": f"sum({once('queuehub_queue_jobs', SITE, DEAD)})"}, width=3, kind="stat",
          steps=((None, "green"), (1, "orange"))),
    Panel("Failed attempts", {"": share_failed(SITE)}, "percentunit", 3, "stat",
          steps=((None, "green"), (0.01, "orange"), (0.1, "red"))),
    Panel("Jobs in and out", {
        "enqueued": f"sum({rate('queuehub_jobs_enqueued_total', SITE)})",
        "{{state}}": f"sum by (state) ({rate('queuehub_jobs_finished_total', SITE)})",
    }, "cps"),
    Panel("Attempts by outcome", {
        "{{outcome}}": f"sum by (outcome) ({rate('queuehub_attempts_finished_total', SITE)})",
    }, "cps"),
    Panel("Wait until a run begins", quantiles("queuehub_job_wait_seconds", SITE), "s",
          about="From when a job was due; a wanted delay is no waiting."),
    Panel("Queued by queue", {"{{queue}}": once("queuehub_queue_jobs", SITE, QUEUED)}),
    Panel("Oldest due job by queue", {"{{queue}}": once("queuehub_queue_oldest_job_age_seconds", SITE)}, "s"),
    Panel("Slots", {"{{state}}": once("queuehub_worker_slots", SITE)}),
    Panel("Workers by state", {"{{state}}": once("queuehub_workers", SITE)}),
    Panel("Further attempts", {"{{kind}}": f"sum by (kind) ({rate('queuehub_retries_total', SITE)})"}, "cps"),
    Panel("Jobs rescued", {"{{reason}}": f"sum by (reason) ({rate('queuehub_jobs_rescued_total', SITE)})"}, "cps",
          about="Jobs that go on although their worker or their message was lost."),
    Panel("Tasks with most dead letters", {
        "{{task}}": f"topk(10, sum by (task) ({once('queuehub_dead_letters', SITE)}))",
    }, kind="bargauge"),
    Panel("Tasks with most failures", {
        "{{task}}": "topk(10, sum by (task) "
        f"({rate('queuehub_attempts_finished_total', SITE, FAILED)}))",
    }, "cps", kind="bargauge"),
    Panel("Busiest tasks", {
        "{{task}}": f"topk(10, sum by (task) ({rate('queuehub_attempt_duration_seconds_sum', SITE)}))",
    }, about="Slots that the task keeps busy, on average.", kind="bargauge"),
    Panel("Scheduler's lag and broker's answer", {
        "scheduler": once("queuehub_scheduler_lag_seconds", SITE),
        "broker": once("queuehub_broker_ping_seconds", SITE),
        "oldest heartbeat": once("queuehub_worker_heartbeat_age_max_seconds", SITE),
    }, "s"),
    Panel("Messages that are missing", {"{{queue}}": once("queuehub_ledger_drift_jobs", SITE)}),
    Panel("Schedules", {"{{state}}": once("queuehub_schedules", SITE)}),
    Panel("Operators' actions", {
        "{{action}}: {{result}}": f"sum by (action, result) ({rate('queuehub_operator_actions_total', SITE)})",
    }, "cps"),
    Panel("Live pages", {
        "open": f"sum without (instance, pod) (queuehub_live_connections{{{SITE}}})",
        "missed snapshots a second":
            f"sum without (instance, pod) (rate(queuehub_live_messages_dropped_total{{{SITE}}}[$__rate_interval]))",
    }, about="Each web process counts its own."),
    Panel("Versions", {"{{version}}, Python {{python}}, Django {{django}}": once("queuehub_build_info", SITE)}),
]  # fmt: skip

QUEUE = [
    Panel("Jobs by state", {
        "{{state}}": f"sum by (state) ({once('queuehub_queue_jobs', OF_QUEUE)})",
    }),
    Panel("Jobs in and out", {
        "enqueued": f"sum({rate('queuehub_jobs_enqueued_total', CHOSEN)})",
        "begun": f"sum({rate('queuehub_attempts_started_total', CHOSEN)})",
        "{{state}}": f"sum by (state) ({rate('queuehub_jobs_finished_total', CHOSEN)})",
    }, "cps"),
    Panel("Attempts by outcome", {
        "{{outcome}}": f"sum by (outcome) ({rate('queuehub_attempts_finished_total', CHOSEN)})",
    }, "cps"),
    Panel("Wait until a run begins", quantiles("queuehub_job_wait_seconds", CHOSEN), "s"),
    Panel("Duration of an attempt", quantiles("queuehub_attempt_duration_seconds", CHOSEN), "s"),
    Panel("From enqueue to the end", quantiles("queuehub_job_completion_seconds", CHOSEN), "s"),
    Panel("Oldest due and longest running job", {
        "due, {{queue}}": once("queuehub_queue_oldest_job_age_seconds", OF_QUEUE),
        "running, {{queue}}": once("queuehub_queue_oldest_running_seconds", OF_QUEUE),
    }, "s"),
    Panel("Workers", {"{{queue}}": once("queuehub_queue_workers", OF_QUEUE)}),
    Panel("Paused", {"{{queue}}": once("queuehub_queue_paused", OF_QUEUE)}, about="1 while the queue is paused."),
    Panel("Failed attempts", {"share": share_failed(CHOSEN)}, "percentunit"),
    Panel("Dead letters", {"{{task}}": f"sum by (task) ({once('queuehub_dead_letters', CHOSEN)})"}),
    Panel("Further attempts", {"{{kind}}": f"sum by (kind) ({rate('queuehub_retries_total', CHOSEN)})"}, "cps"),
    Panel("Wait, as a heat map", {"{{le}}": f"sum by (le) ({rate('queuehub_job_wait_seconds_bucket', CHOSEN)})"}, "s",
          12, "heatmap"),
    Panel("Jobs rescued", {"{{reason}}": f"sum by (reason) ({rate('queuehub_jobs_rescued_total', OF_QUEUE)})"}, "cps",
          12),
]  # fmt: skip


def dashboard(uid: str, title: str, panels: list[Panel], variables: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a dashboard in Grafana's classic JSON model."""
    return {
        "uid": uid, "title": title, "tags": ["queuehub"], "schemaVersion": 42, "editable": True, "graphTooltip": 1,
        "timezone": "browser", "refresh": "30s", "time": {"from": "now-3h", "to": "now"}, "annotations": {"list": []},
        "links": [{
            "type": "dashboards", "title": "QueueHub", "tags": ["queuehub"], "keepTime": True, "includeVars": True,
            "asDropdown": False, "targetBlank": False, "icon": "external link", "tooltip": "", "url": "",
        }],
        "templating": {"list": variables}, "panels": list(placed(panels)),
    }  # fmt: skip


def placed(panels: list[Panel]) -> Iterator[dict[str, Any]]:
    """Yield the panels as JSON, in rows from left to right."""
    x = y = 0
    for number, panel in enumerate(panels, 1):
        height = 4 if panel.kind == "stat" else HEIGHT
        yield drawn(panel, number, {"x": x, "y": y, "w": panel.width, "h": height})
        x += panel.width
        if x == COLUMNS:
            x, y = 0, y + height


def drawn(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    """Return one panel as JSON."""
    is_now = panel.kind in NOW
    targets = [
        {
            "refId": chr(ord("A") + place_of), "datasource": SOURCE, "expr": query, "legendFormat": legend,
            "instant": is_now, "range": not is_now, "format": "heatmap" if panel.kind == "heatmap" else "time_series",
        }
        for place_of, (legend, query) in enumerate(panel.queries.items())
    ]  # fmt: skip
    return {
        "id": number, "title": panel.title, "description": panel.about, "type": panel.kind, "datasource": SOURCE,
        "gridPos": place, "fieldConfig": {"defaults": values(panel), "overrides": []}, "options": OPTIONS[panel.kind],
        "pluginVersion": VERSION, "targets": targets,
    }  # fmt: skip


def values(panel: Panel) -> dict[str, Any]:
    """Return how the panel's values are written and coloured."""
    made: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.unit == "none":
        made["mappings"] = UP
    if panel.unit == "percentunit":
        made |= {"max": 1, "mappings": NO_SHARE}
    if panel.steps:
        steps = [{"value": value, "color": color} for value, color in panel.steps]
        made |= {"color": {"mode": "thresholds"}, "thresholds": {"mode": "absolute", "steps": steps}}
    elif panel.kind in NOW:
        made["color"] = {"mode": "fixed", "fixedColor": "blue"}
    return made


def variable(name: str, label: str, query: str, is_many: bool) -> dict[str, Any]:
    """Return a variable that is chosen from the values of a label."""
    made = {
        "name": name, "label": label, "type": "query", "datasource": SOURCE, "refresh": 2, "sort": 1, "hide": 0,
        "query": {"query": query, "refId": name}, "definition": query,
    }  # fmt: skip
    every = {"text": ["All"], "value": ["$__all"]}
    return made | ({"multi": True, "includeAll": True, "allValue": ".*", "current": every} if is_many else {})


VARIABLES = [
    {
        "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1,
        "hide": 0,
    },
    variable("job", "Site", "label_values(queuehub_ledger_up, job)", False),
]  # fmt: skip
CHOICES = [
    variable("queue", "Queue", 'label_values(queuehub_queue_jobs{job="$job"}, queue)', True),
    variable("task", "Task", 'label_values(queuehub_jobs_enqueued_total{job="$job",queue=~"$queue"}, task)', True),
]


def files() -> dict[Path, str]:
    """Return the text of each file."""
    made = {
        "overview.json": dashboard("queuehub-overview", "QueueHub: overview", OVERVIEW, VARIABLES),
        "queue.json": dashboard("queuehub-queue", "QueueHub: queues and tasks", QUEUE, VARIABLES + CHOICES),
    }
    return {FOLDER / name: json.dumps(content, indent=1, ensure_ascii=False) + "\n" for name, content in made.items()}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
