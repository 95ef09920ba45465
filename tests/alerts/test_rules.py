"""The shipped rules: Prometheus accepts them, they fire when they should, and each has its place in the runbook."""

import runpy
from pathlib import Path

import pytest

from tests.alerts.promql import metrics, miscounted
from tests.alerts.promtool import promtool
from tests.alerts.sources import (
    DASHBOARDS,
    GRAFANA,
    PROMETHEUS,
    RULES,
    alerts,
    documented,
    expressions,
    panels,
    shipped_rules,
)  # fmt: skip
from tests.docs.documents import anchors
from tests.support import PROJECT

fast = pytest.mark.fast

CASES = sorted((PROMETHEUS / "tests").glob("*.yml"))
RUNBOOK = PROJECT / "docs" / "alerts.md"


def test_promtool_accepts_the_rules_and_the_example_of_a_configuration() -> None:
    assert f"{len(shipped_rules())} rules found" in promtool("check", "rules", RULES)
    promtool("check", "config", PROMETHEUS / "prometheus.yml")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_alerts_fire_and_end_as_the_cases_say(case: Path) -> None:
    promtool("test", "rules", case)


@fast
def test_every_alert_has_a_case() -> None:
    cases = "".join(case.read_text(encoding="utf-8") for case in CASES)
    names = {rule["alert"] for rule in shipped_rules() if "alert" in rule}
    assert len(names) == 15
    assert not {name for name in names if name not in cases}


@fast
def test_every_alert_says_how_bad_it_is_and_where_its_runbook_is() -> None:
    sections = anchors(RUNBOOK)
    for rule in alerts():
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}, rule["alert"]
        assert rule["annotations"]["runbook_url"] == f"docs/alerts.md#{rule['alert'].lower()}"
        assert rule["alert"].lower() in sections, f"{rule['alert']} has no section in {RUNBOOK.name}"
        assert "for" in rule


@fast
def test_every_section_of_the_runbook_says_what_it_means_where_to_look_and_what_to_do() -> None:
    text = RUNBOOK.read_text(encoding="utf-8")
    for rule in alerts():
        section = text.partition(f"### {rule['alert']}\n")[2].partition("\n### ")[0].lower()
        for word in ("**meaning**", "**look**", "**causes**", "**repair**"):
            assert word in section, f"{rule['alert']}: {word}"


@fast
def test_no_expression_counts_a_job_once_for_each_web_process() -> None:
    found = expressions()
    assert len(found) > 80
    assert len(list(documented())) >= 4
    assert {where: wrong for where, text in found if (wrong := miscounted(text))} == {}


@fast
def test_every_recorded_series_that_is_used_is_recorded() -> None:
    recorded = {rule["record"] for rule in shipped_rules() if "record" in rule}
    used = {name for rule in shipped_rules() for name in metrics(rule["expr"]) if ":" in name}
    assert used <= recorded
    assert not {name for path in DASHBOARDS for _, query in panels(path) for name in metrics(query) if ":" in name}


@fast
@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("sum(queuehub_queue_jobs)", ["queuehub_queue_jobs"]),
        ("queuehub_ledger_up == 0", ["queuehub_ledger_up"]),
        ("sum by (queue) (rate(queuehub_jobs_finished_total[5m]))", ["queuehub_jobs_finished_total"]),
        ("sum(max without (queue) (queuehub_queue_jobs))", ["queuehub_queue_jobs"]),
        ("sum(max by (instance) (queuehub_queue_jobs))", ["queuehub_queue_jobs"]),
        ("max without (instance) (sum by (instance) (queuehub_queue_jobs))", ["queuehub_queue_jobs"]),
        ("max without (instance) (queuehub_live_connections)", ["queuehub_live_connections"]),
        ("max(queuehub_broker_up) == 0 or queuehub_ledger_up == 0", ["queuehub_ledger_up"]),
        ("max by (queue) (queuehub_queue_jobs)", []),
        ("sum(max without (instance, pod) (rate(queuehub_jobs_finished_total{queue=~'a(b'}[5m])))", []),
        ("max(queuehub_a) / ignoring (state) max by (queue) (queuehub_b{x=\"sum(\"})", []),
        ("absent(queuehub_ledger_up)", []),
        ("sum(queuehub_live_connections)", []),
        ("queue:queuehub_jobs_enqueued:rate5m > 1", []),
    ],
)
def test_the_reader_of_expressions_knows_right_from_wrong(expression: str, wrong: list[str]) -> None:
    assert miscounted(expression) == wrong


@fast
def test_the_dashboards_are_those_of_the_generator() -> None:
    files = runpy.run_path(str(GRAFANA / "generate.py"))["files"]()
    assert sorted(files) == DASHBOARDS
    for path, text in files.items():
        assert path.read_text(encoding="utf-8") == text, "run python ops/grafana/generate.py"
