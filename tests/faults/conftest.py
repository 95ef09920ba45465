"""Fixtures of the fault tests: a site per test, the length of its load, and the record of what was measured.

`make faults` runs them at full length and keeps a record per test, so that a run that was cut off goes on where it
stopped; `make test` runs a few, picked by a seed, with a short load.
"""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import run_directory
from tests.faults.broker import Broker
from tests.faults.ledgers import Ledger, PostgreSQLLedger, SQLiteLedger, make_template
from tests.faults.records import Records
from tests.faults.site import Site
from tests.support import Processes

LEDGERS: dict[str, type[PostgreSQLLedger] | type[SQLiteLedger]] = {
    "postgresql": PostgreSQLLedger,
    "sqlite": SQLiteLedger,
}
TIMEOUT_SECONDS = 1500


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--fault-seconds", type=float, default=5.0, help="how long a fault goes on under load")
    group.addoption("--fault-seed", type=int, default=1, help="seed of loads, of faults and of --fault-sample")
    group.addoption("--fault-sample", type=int, default=0, help="run only so many fault tests, none of them slow")
    group.addoption("--soak-seconds", type=float, default=20.0, help="how long the soak goes on")
    group.addoption("--soak-jobs", type=int, default=1000, help="how many jobs the soak has to acknowledge at least")
    group.addoption("--fault-records", type=Path, help="directory of the records; tests that passed are left out")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what has passed already, what the ledger cannot show, and all but a sample if so wished."""
    kept, left_out = [], []
    for item in items:
        is_wanted = not _is_fault(item) or _is_wanted(config, item)
        (kept if is_wanted else left_out).append(item)
    if size := config.getoption("--fault-sample"):
        faults = [item for item in kept if item.get_closest_marker("fault")]
        quick = [item for item in faults if not item.get_closest_marker("slow")]
        picked = random.Random(config.getoption("--fault-seed")).sample(quick, min(size, len(quick)))
        left_out += [item for item in faults if item not in picked]
        kept = [item for item in kept if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def _is_fault(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("fault", "soak"))


def _is_wanted(config: pytest.Config, item: pytest.Item) -> bool:
    item.add_marker(pytest.mark.timeout(TIMEOUT_SECONDS))
    on_sqlite = item.get_closest_marker("on_sqlite") or item.get_closest_marker("soak")
    is_sqlite = run_directory.ledger() == "sqlite"
    if (is_sqlite and on_sqlite is None) or (not is_sqlite and on_sqlite and on_sqlite.kwargs.get("is_only")):
        return False
    directory = config.getoption("--fault-records")
    is_repeated = directory is None or item.get_closest_marker("soak") is not None
    return is_repeated or not Records(directory).has_passed(run_directory.ledger(), item.name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Keep a record of a fault test, whether it passed or not."""
    report: Any = yield
    directory = item.config.getoption("--fault-records")
    is_over = report.when == "call" or (report.when == "setup" and not report.passed)
    if _is_fault(item) and directory is not None and is_over:
        sites = getattr(item, "funcargs", {}).get("make_site")
        Records(directory).write(
            run_directory.ledger(),
            item.name,
            lines=[line for marker in item.iter_markers("fault") for line in marker.args],
            outcome=report.outcome,
            message="" if report.passed else str(call.excinfo.value if call.excinfo else report.longrepr)[:2000],
            seconds=round(report.duration, 1),
            figures={} if sites is None else sites.figures(),
        )
    return report


@pytest.fixture(scope="session")
def ledger_template() -> Path:
    """An empty, migrated ledger to copy."""
    directory = run_directory.directory() / "template"
    directory.mkdir()
    make_template(run_directory.ledger(), directory)
    return directory


class Sites:
    """Makes the sites of one test, and ends them."""

    def __init__(self, directory: Path, template: Path, processes: Processes, config: pytest.Config) -> None:
        self.directory, self.template, self.processes, self.config = directory, template, processes, config
        self.ledger_name = run_directory.ledger()
        self.made: list[Site] = []
        self.stops: list[Callable[[], None]] = []

    def __call__(
        self,
        *,
        ledger: dict[str, Any] | None = None,
        broker: dict[str, str] | None = None,
        is_proxied: bool = False,
        ledger_directory: Path | None = None,
    ) -> Site:
        """Make a site; `ledger` and `broker` are options of the servers, proxies stand before both if so wished."""
        place = ledger_directory or self.directory
        storage: Ledger = LEDGERS[self.ledger_name](self.template, place, **(ledger or {}))
        self.stops.append(storage.stop)
        valkey = Broker(self.directory / "valkey", **(broker or {}))
        self.stops.append(valkey.stop)
        valkey.start()
        site = Site(
            self.directory,
            storage,
            valkey,
            self.processes,
            self.config.getoption("--fault-seconds"),
            self.config.getoption("--fault-seed"),
        )
        self.made.append(site)
        if is_proxied:
            for proxy in site.put_proxies_before_servers():
                self.stops.append(proxy.stop)
        self.processes.environment |= site.environment()
        return site

    def figures(self) -> dict[str, Any]:
        """Return what the sites of the test have measured."""
        return {name: value for site in self.made for name, value in site.notes.items()}

    def stop(self) -> None:
        """Kill the processes, then end the servers."""
        self.processes.kill()
        while self.stops:
            self.stops.pop()()


@pytest.fixture
def make_site(
    ledger_template: Path,
    processes: Processes,
    request: pytest.FixtureRequest,
) -> Iterator[Sites]:
    """Make a site with options: `make_site(broker={"maxmemory": "4mb"}, is_proxied=True)`."""
    directory = run_directory.directory() / f"site-{os.urandom(4).hex()}"
    directory.mkdir()
    sites = Sites(directory, ledger_template, processes, request.config)
    try:
        yield sites
    finally:
        sites.stop()


@pytest.fixture
def site(make_site: Sites) -> Site:
    """A site as it is installed: nothing between the processes and the servers."""
    return make_site()

