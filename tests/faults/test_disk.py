"""A disk that is full: nothing that was acknowledged is lost, and work goes on once there is room again."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.conftest import missing
from tests.faults.conftest import Sites
from tests.faults.ledgers import PostgreSQLLedger, SQLiteLedger
from tests.faults.site import Site

DISK_MEGABYTES = {"postgresql": 256, "sqlite": 24}


@contextmanager
def tiny_disk(directory: Path, megabytes: int) -> Iterator[Path]:
    """Mount a small file system in memory."""
    directory.mkdir()
    options = ["-o", f"size={megabytes}m,mode=755"]
    made = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", directory], capture_output=True, text=True)
    if made.returncode:
        missing(f"no file system can be mounted here: {made.stderr}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


@pytest.fixture
def small_site(make_site: Sites) -> Iterator[Site]:
    """A site whose ledger is on a tiny disk."""
    with tiny_disk(make_site.directory / "disk", DISK_MEGABYTES[make_site.ledger_name]) as disk:
        yield make_site(ledger_directory=disk)
        make_site.stop()


def fill(disk: Path) -> Path:
    """Fill the disk up to its last block."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


def revive_server(site: Site) -> None:
    """Start a PostgreSQL again that has given up because it could not write its log."""
    ledger = site.ledger
    if isinstance(ledger, PostgreSQLLedger):
        try:
            ledger.query("SELECT 1")
        except psycopg.OperationalError:
            ledger.server.halt(signal.SIGQUIT)
            ledger.server.run()


@pytest.mark.on_sqlite
@pytest.mark.fault("disk full")
def test_a_full_disk_loses_nothing_that_was_acknowledged(small_site: Site, make_site: Sites) -> None:
    site = small_site
    disk = make_site.directory / "disk"
    site.start(pools=2)
    full_count = 0
    with site.fault():
        for _ in site.each(2.0, max(site.load_seconds, 8)):
            ballast = fill(disk)
            site.rest(4.0)
            full_count += 1
            ballast.unlink()
            revive_server(site)
    site.notes["full_count"] = full_count
    refused = ("No space left", "disk is full", "could not extend", "could not write")
    assert any(word in running.output for running in site.processes.started for word in refused) or isinstance(
        site.ledger, SQLiteLedger
    )
    assert any("not acknowledged" in producer.output for producer in site.producers)
    site.check()
