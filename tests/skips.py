"""A pytest plugin: where CI=true, a skip that tests/allowed_skips.txt does not list fails the run."""

import os
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

LIST = Path(__file__).with_name("allowed_skips.txt")


def is_ci() -> bool:
    """Say whether this run has to find every service."""
    return os.environ.get("CI", "").lower() in ("1", "true")


def allowed_patterns(text: str) -> list[str]:
    """Return the patterns of test ids in the list.

    Raises: ValueError for a line without a reason.
    """
    patterns = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        pattern, _, reason = (part.strip() for part in line.partition(" | "))
        if not reason:
            raise ValueError(f"{LIST.name}: {line!r} has no reason; write: test id | reason")
        patterns.append(pattern)
    return patterns


class SkipPolice:
    """Notes skips, and turns a run with unlisted ones into a failure."""

    def __init__(self, patterns: list[str]) -> None:
        self.patterns = patterns
        self.unlisted: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # An expected failure is reported as skipped, too.
        is_skip = report.skipped and not hasattr(report, "wasxfail")
        if is_skip and not any(fnmatchcase(report.nodeid, pattern) for pattern in self.patterns):
            self.unlisted.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped and not any(fnmatchcase(report.nodeid, pattern) for pattern in self.patterns):
            self.unlisted.append(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.unlisted and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for nodeid in self.unlisted:
            terminalreporter.write_line(
                f"UNLISTED SKIP {nodeid}: list it with its reason in {LIST}", red=True
            )


def register(config: pytest.Config) -> None:
    """Add the plugin to a run in CI; workers of pytest-xdist report to their controller."""
    if is_ci() and not hasattr(config, "workerinput"):
        config.pluginmanager.register(SkipPolice(allowed_patterns(LIST.read_text())))
