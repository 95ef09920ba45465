"""The systemd units in ops/systemd/ pass systemd's own check, and say what the code needs."""

import os
import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from jobs.conf import Settings
from tests.conftest import missing
from tests.docs.documents import blocks, links
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


def blamed(units: dict[str, str], folder: Path) -> str:
    """Return what systemd says against these units; the programs that they name must exist on this machine."""
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze is not installed (Debian: apt install systemd)")
    program = folder / "python"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name, text in units.items():
        (folder / name).write_text(text.replace("/srv/mysite/.venv/bin/python", str(program)))
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *(folder / name for name in units)]
    # units that name one another are found in the folder
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"}
    checked = subprocess.run(command, capture_output=True, text=True, env=environment)
    lines = (checked.stdout + checked.stderr).splitlines()
    stems = [name.partition(".")[0].partition("@")[0] for name in units]
    about_them = [line for line in lines if any(stem in line for stem in stems)]
    return "\n".join(about_them) if about_them or checked.returncode == 0 else "\n".join(lines)


@every_unit
def test_systemd_finds_nothing_to_blame(unit: Path, tmp_path: Path) -> None:
    # a template is checked as one of its instances
    assert blamed({unit.name.replace("@.", "@mail."): unit.read_text()}, tmp_path) == ""


def test_systemd_finds_nothing_to_blame_in_the_units_of_the_page(tmp_path: Path) -> None:
    text = "\n".join(block.text for block in blocks(PROJECT / "docs" / "deploy.md", "ini"))
    parts = re.split(r"^# /etc/systemd/system/(\S+?):?(?: .*)?\n", text, flags=re.MULTILINE)
    units = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert set(units) == {"queuehub-health.timer", "queuehub-health.service", "queuehub-kill.service"}
    assert blamed(units, tmp_path) == ""
    broken = {**units, "queuehub-kill.service": "[Service]\nType=oneshot\n"}
    assert "queuehub-kill.service" in blamed(broken, tmp_path)


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
