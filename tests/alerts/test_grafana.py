"""The dashboards as Grafana's JSON model wants them: nobody opens them here, so what it would misread is looked for."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.alerts.sources import DASHBOARDS

pytestmark = pytest.mark.fast

COLUMNS = 24
UNITS = {"short", "none", "s", "cps", "percentunit"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
NEEDED = {
    "timeseries": {"legend", "tooltip"},
    "stat": {"reduceOptions", "orientation", "colorMode", "graphMode", "justifyMode", "textMode"},
    "bargauge": {"reduceOptions", "orientation", "displayMode"},
    "heatmap": {"calculate", "yAxis", "color", "legend", "tooltip"},
}
"""Of a panel's options, by its type; a heat map without any is taken for one of Grafana 8."""

shipped = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def read(path: Path) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return made


@shipped
def test_panels_lie_side_by_side_within_the_grid(path: Path) -> None:
    places = [panel["gridPos"] for panel in read(path)["panels"]]
    for place in places:
        assert place["x"] >= 0 < place["w"]
        assert place["x"] + place["w"] <= COLUMNS
        assert place["y"] >= 0 < place["h"]
    for one, other in combinations(places, 2):
        is_beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        is_below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert is_beside or is_below, f"{one} overlaps {other}"


@shipped
def test_every_panel_has_what_its_type_needs(path: Path) -> None:
    dashboard = read(path)
    assert dashboard["schemaVersion"] == 42
    assert 8 <= len(dashboard["uid"]) <= 40
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in dashboard["panels"]:
        assert NEEDED[panel["type"]] <= panel["options"].keys(), panel["title"]
        assert float(panel["pluginVersion"].partition(".")[0]) >= 12
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["fieldConfig"]["overrides"] == []
        assert [target["refId"] for target in panel["targets"]] == list("ABCDEF"[: len(panel["targets"])])
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"] == SOURCE
            assert target["format"] == ("heatmap" if panel["type"] == "heatmap" else "time_series")
            assert target["instant"] != target["range"]
        if panel["type"] == "heatmap":
            assert panel["options"]["calculate"] is False, "the buckets are Prometheus's"


@shipped
def test_no_present_value_turns_red_by_grafana_s_own_threshold(path: Path) -> None:
    for panel in read(path)["panels"]:
        values = panel["fieldConfig"]["defaults"]
        if panel["type"] not in ("stat", "bargauge"):
            continue
        if values["color"]["mode"] == "fixed":
            continue
        steps = [step["value"] for step in values["thresholds"]["steps"]]
        assert steps[0] is None, "the first colour has no bound"
        assert steps[1:] == sorted(steps[1:])


@shipped
def test_every_variable_that_is_used_is_declared_before(path: Path) -> None:
    dashboard = read(path)
    declared = {"__rate_interval"}
    for variable in dashboard["templating"]["list"]:
        used = set(re.findall(r"\$\{?(\w+)", json.dumps([variable.get("query"), variable.get("datasource")])))
        assert used <= declared, variable["name"]
        declared.add(variable["name"])
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard["panels"])))
    assert used <= declared
    assert declared - {"__rate_interval"} <= used
