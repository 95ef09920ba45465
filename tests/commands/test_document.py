"""The pages on filters and commands say what there is."""

import runpy
from pathlib import Path

import pytest
from django.core.management import load_command_class

from tests.support import PROJECT

pytestmark = pytest.mark.fast

OF_DJANGO = {
    "--help", "--version", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color", "--force-color",
    "--skip-checks",
}  # fmt: skip
FOLDER = PROJECT / "jobs" / "management" / "commands"
OF_OPERATORS = sorted({path.stem for path in FOLDER.glob("jobs_*.py")} - {"jobs_worker", "jobs_scheduler"})


def text(name: str) -> str:
    return Path(PROJECT / "docs" / name).read_text(encoding="utf-8")


def test_the_page_on_filters_is_made_from_the_table_of_fields() -> None:
    page = runpy.run_path(str(PROJECT / "docs" / "generate_filters.py"))["page"]()
    assert text("filters.md") == page, "run python docs/generate_filters.py"


@pytest.mark.parametrize("name", OF_OPERATORS)
def test_every_command_and_option_is_described(name: str) -> None:
    page = text("commands.md")
    assert f"| `{name}`" in page or f", `{name}` |" in page
    parser = load_command_class("jobs", name).create_parser("manage.py", name)
    options = {option for action in parser._actions for option in action.option_strings if option.startswith("--")}
    assert not {option for option in options - OF_DJANGO if f"`{option}" not in page and f" {option}" not in page}


@pytest.mark.parametrize("name", OF_OPERATORS)
def test_every_option_explains_itself(name: str) -> None:
    parser = load_command_class("jobs", name).create_parser("manage.py", name)
    assert parser.description
    obvious = {"queues", "max_attempts"}
    assert not {action.dest for action in parser._actions if not action.help} - obvious
