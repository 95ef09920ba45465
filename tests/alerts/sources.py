"""Every PromQL expression that the project ships: rules, panels of the dashboards, documents."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from jobs.objectives import rules as objective_rules
from tests.docs.documents import blocks, documents, prose
from tests.support import PROJECT
from tests.tasks import add

PROMETHEUS = PROJECT / "ops" / "prometheus"
RULES = PROMETHEUS / "rules.yml"
GRAFANA = PROJECT / "ops" / "grafana"
DASHBOARDS = sorted(GRAFANA.glob("*.json"))
CODE = re.compile(r"`([^`\n]+)`")
QUERY = re.compile(r"queuehub_\w+[^`]*[(<>=\[]|\([^`]*queuehub_")
VALUES = re.compile(r"label_values\((.+), (\w+)\)")
ONLY_SELECTOR = re.compile(r"[\w:]+(\{[^}]*\})?\Z")


def rules_of(text: str) -> list[dict[str, Any]]:
    """Return the rules of a file's text."""
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def shipped_rules() -> list[dict[str, Any]]:
    """Return the rules of `ops/prometheus/rules.yml`."""
    return rules_of(RULES.read_text(encoding="utf-8"))


def alerts() -> list[dict[str, Any]]:
    """Return the shipped alerts and those of objectives."""
    return [rule for rule in [*shipped_rules(), *rules_of(objectives())] if "alert" in rule]


def objectives() -> str:
    """Return the rules that `manage.py jobs_alerts` writes for one task with both objectives."""
    return objective_rules([replace(add, slo_wait_p95_seconds=20, slo_success_ratio=0.999)], "docs/")


def panels(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (title, query) of a dashboard."""
    for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def variables(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (name, selector, label) of each variable of a dashboard that lists the values of a label."""
    for variable in json.loads(path.read_text(encoding="utf-8"))["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = VALUES.fullmatch(variable["query"]["query"]).groups()  # type: ignore[union-attr] # or fail
            yield variable["name"], selector, label


def documented() -> Iterator[tuple[str, str]]:
    """Yield (document, query): what stands in blocks of PromQL, and in the text with an operator or a function."""
    for path in documents():
        for block in blocks(path, "promql"):
            yield from ((path.name, line) for line in block.text.splitlines() if line.strip())
        for code in CODE.findall(prose(path)):
            if QUERY.search(code) and not ONLY_SELECTOR.match(code) and not code.startswith("GRANT "):
                yield path.name, code


def expressions() -> list[tuple[str, str]]:
    """Return (where, expression) of everything."""
    rules = [*shipped_rules(), *rules_of(objectives())]
    return [
        *((rule.get("alert") or rule["record"], rule["expr"]) for rule in rules),
        *((f"{path.name}: {title}", query) for path in DASHBOARDS for title, query in panels(path)),
        *documented(),
    ]

