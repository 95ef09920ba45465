"""Objectives of tasks: their check, the rules made of them, and when those fire."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from jobs import objectives, task
from jobs.definition import registry
from jobs.errors import InvalidJob
from tests.alerts.promtool import promtool
from tests.alerts.sources import objectives as written
from tests.alerts.sources import rules_of
from tests.commands.calling import run
from tests.tasks import add

fast = pytest.mark.fast

FAST, SLOW = "QueueHubObjectiveBurnsFast", "QueueHubObjectiveBurnsSlowly"


@fast
@pytest.mark.parametrize("seconds", [0, -1, 1801, float("nan"), float("inf"), True, "30"])
def test_a_wait_that_cannot_be_measured_is_refused_when_it_is_declared(seconds: Any) -> None:
    with pytest.raises(InvalidJob, match=r"slo_wait_p95_seconds: .*Pass seconds above 0, up to 1800"):
        task(slo_wait_p95_seconds=seconds)(add.func)


@fast
@pytest.mark.parametrize("ratio", [0, 1, 99.9, float("nan"), True, "0.9"])
def test_a_ratio_that_leaves_no_budget_is_refused_when_it_is_declared(ratio: Any) -> None:
    with pytest.raises(InvalidJob, match=r"slo_success_ratio: .*such as 0\.999"):
        task(slo_success_ratio=ratio)(add.func)


@fast
def test_objectives_stand_on_the_task() -> None:
    made = task(slo_wait_p95_seconds=30, slo_success_ratio=0.99)(add.func)
    assert (made.slo_wait_p95_seconds, made.slo_success_ratio) == (30, 0.99)
    assert (add.slo_wait_p95_seconds, add.slo_success_ratio) == (None, None)
    with pytest.raises(InvalidJob, match="no such option"):
        made.using(slo_success_ratio=0.5)


def test_the_command_writes_rules_for_the_tasks_that_promise_something(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    promising = replace(add, slo_wait_p95_seconds=0.001, slo_success_ratio=0.9)
    monkeypatch.setattr(registry, "_tasks", {promising.module_path: promising, "other": replace(add)})
    out = run("jobs_alerts", "--docs", "https://git.example.com/docs/").out
    rules = rules_of(out)
    alerts = [rule for rule in rules if "alert" in rule]
    assert {rule["labels"]["task"] for rule in rules if "record" in rule} == {"tests.tasks.add"}
    assert {rule["labels"]["objective"] for rule in rules if "record" in rule} == {"wait", "success"}
    assert alerts[0]["annotations"]["runbook_url"].startswith("https://git.example.com/docs/alerts.md#queuehubobj")
    path = tmp_path / "objectives.yml"
    path.write_text(out)
    assert "14 rules found" in promtool("check", "rules", path)


def test_without_objectives_the_file_is_empty_and_valid(tmp_path: Any) -> None:
    path = tmp_path / "objectives.yml"
    path.write_text(objectives.rules([add], "docs/"))
    assert yaml.safe_load(path.read_text()) == {"groups": []}
    promtool("check", "rules", path)


def series(name: str, values: str, **labels: str) -> list[dict[str, str]]:
    """Return the same series of two web processes."""
    told = ",".join(f'{key}="{value}"' for key, value in {"job": "q", "task": add.module_path, **labels}.items())
    return [{"series": f'{name}{{{told},instance="{web}"}}', "values": values} for web in ("w1", "w2")]


def firing(alert: str, minutes: int, *objective: str) -> dict[str, Any]:
    """Return the case that after so many minutes the alert fires for these objectives only."""
    labels = [f'{{objective="{name}",task="{add.module_path}"}}' for name in objective]
    return {
        "expr": f'count by (objective, task) (ALERTS{{alertname="{alert}",alertstate="firing"}})',
        "eval_time": f"{minutes}m",
        "exp_samples": [{"labels": each, "value": 1} for each in labels],
    }


def value(expression: str, minutes: int, expected: float) -> dict[str, Any]:
    """Return the case that an expression has this value."""
    return {"expr": expression, "eval_time": f"{minutes}m", "exp_samples": [{"labels": "{}", "value": expected}]}


def test_a_budget_that_burns_fast_fires_and_one_that_is_kept_does_not(tmp_path: Any) -> None:
    wait, finished = "queuehub_job_wait_seconds", "queuehub_jobs_finished_total"
    of_wait, of_success = (
        f"round(1e6 * sum(task:queuehub_objective_failures:ratio_rate5m{{objective='{name}'}}))"
        for name in ("wait", "success")
    )
    (tmp_path / "objectives.yml").write_text(written())  # 20 s between the bounds 10 and 30; 99.9 %
    cases = {
        "rule_files": ["objectives.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "name": "for an hour all is well, then nothing is",
                "interval": "1m",
                "input_series": [
                    # of 40 a minute first 38 wait up to 10 s and 40 up to 30 s, later none up to 10 s, 20 up to 30 s
                    *series(f"{wait}_bucket", "0+38x60 2280x60", queue="a", le="10.0"),
                    *series(f"{wait}_bucket", "0+40x60 2420+20x60", queue="a", le="30.0"),
                    *series(f"{wait}_count", "0+40x60 2440+40x60", queue="a"),
                    *series(finished, "0+10000x60 610000+10000x60", queue="a", state="succeeded"),
                    *series(finished, "0+5x60 500+200x60", queue="a", state="dead"),
                ],
                "promql_expr_test": [
                    value(of_wait, 30, 25_000),
                    value(of_wait, 90, 750_000),
                    value(of_success, 30, 500),
                    value(of_success, 90, 19_608),
                    firing(FAST, 60),
                    firing(FAST, 120, "wait", "success"),
                ],
            }
        ],
    }
    (tmp_path / "cases.yml").write_text(yaml.safe_dump(cases))
    promtool("test", "rules", tmp_path / "cases.yml")


def test_a_budget_that_burns_slowly_is_a_warning_only(tmp_path: Any) -> None:
    finished, days = "queuehub_jobs_finished_total", 4
    (tmp_path / "objectives.yml").write_text(written())
    ended = {"dead": "0+2x1200", "succeeded": "0+998x1200"}  # of a thousand in five minutes two, where one may fail
    cases = {
        "rule_files": ["objectives.yml"],
        "evaluation_interval": "5m",
        "tests": [
            {
                "interval": "5m",
                "input_series": [
                    each for state, values in ended.items() for each in series(finished, values, queue="a", state=state)
                ],
                "promql_expr_test": [firing(SLOW, days * 1440, "success"), firing(FAST, days * 1440)],
            }
        ],
    }
    (tmp_path / "cases.yml").write_text(yaml.safe_dump(cases))
    promtool("test", "rules", tmp_path / "cases.yml")
