"""A real Prometheus, and the web processes that it scrapes."""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from tests.alerts.promtool import program
from tests.support import Processes, Running, eventually, free_port

JOB = "queuehub"
START_SECONDS = 60


class Web:
    """So many web processes of one site, each on a port of its own."""

    def __init__(self, processes: Processes, count: int) -> None:
        self.processes = processes
        self.ports = [free_port() for _ in range(count)]
        self.running = [self._run(port) for port in self.ports]
        for each in self.running:
            each.wait_for("Uvicorn running on", START_SECONDS)

    @property
    def targets(self) -> list[str]:
        """What Prometheus is to scrape, as host:port."""
        return [f"127.0.0.1:{port}" for port in self.ports]

    def restart(self, number: int) -> None:
        """Kill one of them and run it again on its port."""
        self.running[number].kill()
        self.running[number] = self._run(self.ports[number])
        self.running[number].wait_for("Uvicorn running on", START_SECONDS)

    def _run(self, port: int) -> Running:
        return self.processes.start(
            sys.executable, "-m", "uvicorn", "queuehub.asgi:application", "--port", str(port)
        )


class Prometheus:
    """One server on 127.0.0.1 that scrapes `targets` (host:port) each second and evaluates rules as often."""

    def __init__(self, processes: Processes, directory: Path, targets: Sequence[str], *rules: str) -> None:
        self.directory = directory / "prometheus"
        self.directory.mkdir()
        paths = [self.directory / f"rules-{number}.yml" for number in range(len(rules))]
        for path, text in zip(paths, rules, strict=True):
            path.write_text(text, encoding="utf-8")
        configuration = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in paths],
            "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": list(targets)}]}],
        }
        (self.directory / "prometheus.yml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
        self.address = f"127.0.0.1:{free_port()}"
        self.running = processes.start(
            program("prometheus"),
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address={self.address}",
        )
        eventually(self._is_ready, START_SECONDS, "Prometheus did not start")

    def values(self, query: str) -> dict[tuple[tuple[str, str], ...], float]:
        """Return the present values of an expression by their labels, in order; NaN is left out."""
        found = self._get("query", query=query)["result"]
        told = {tuple(sorted(each["metric"].items())): float(each["value"][1]) for each in found}
        return {labels: value for labels, value in told.items() if not math.isnan(value)}

    def value(self, query: str) -> float | None:
        """Return the one present value of an expression; None if there is none."""
        found = self.values(query)
        assert len(found) <= 1, f"{query}: {found}"
        return next(iter(found.values()), None)

    def label_values(self, label: str, selector: str) -> list[str]:
        """Return the values of a label within the series of a selector, as Grafana asks for them."""
        found: list[str] = self._get(f"label/{label}/values", **{"match[]": selector})
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules with what became of their last evaluation."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        return {dict(labels)["alertname"] for labels in self.values('ALERTS{alertstate="firing"}')}

    def _is_ready(self) -> bool:
        try:
            with urlopen(f"http://{self.address}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, ConnectionError):
            return False

    def _get(self, what: str, **parameters: str) -> Any:
        with urlopen(f"http://{self.address}/api/v1/{what}?{urlencode(parameters)}", timeout=30) as answer:
            return json.load(answer)["data"]
