"""The systemd units in ops/systemd/ pass systemd's own check, and say what the code needs."""

import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from jobs.conf import Settings
from tests.conftest import missing
from tests.docs.documents import links
from tests.support import PROJECT

FOLDER = PROJECT / "ops" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
LONGEST_STOP_BEYOND_GRACE_SECONDS = 13

pytestmark = pytest.mark.fast

every_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)


def read(unit: Path) -> ConfigParser:
    """Return a unit's sections; of a key that stands twice, the last."""
    parser = ConfigParser(strict=False, interpolation=None, comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit, encoding="utf-8")
    return parser


@every_unit
def test_systemd_finds_nothing_to_blame(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze is not installed (Debian: apt install systemd)")
    # a template is checked as one of its instances; its programs must exist on this machine
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copy = tmp_path / unit.name.replace("@.", "@mail.")
    copy.write_text(unit.read_text().replace("/srv/mysite/.venv/bin/python", str(program)))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", copy], capture_output=True, text=True
    )
    blamed = [line for line in (checked.stdout + checked.stderr).splitlines() if unit.name.partition(".")[0] in line]
    assert (checked.returncode, blamed) == (0, [])


@every_unit
def test_a_unit_waits_longer_than_an_orderly_stop_takes(unit: Path) -> None:
    service = read(unit)["Service"]
    longest_seconds = Settings().shutdown_grace_seconds + LONGEST_STOP_BEYOND_GRACE_SECONDS
    assert int(service["TimeoutStopSec"]) > longest_seconds
    assert service["Restart"] == "always"
    assert "[Install]" in unit.read_text()


def test_the_pool_alone_is_asked_to_stop() -> None:
    assert read(FOLDER / "queuehub-worker@.service")["Service"]["KillMode"] == "mixed"


def test_the_page_about_deployment_names_every_unit() -> None:
    assert {Path(link).name for link in links(PROJECT / "docs" / "deploy.md")} >= {unit.name for unit in UNITS}
