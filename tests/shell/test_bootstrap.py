"""`make` on machines where something is missing: one line that says what to do, and exit code 2."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import PROJECT, free_port

FILES = ("Makefile", "bootstrap.sh", "bootstrap.py")
OLD_PYTHON = "#!/bin/sh\nexit 1\n"


def fill(directory: Path) -> Path:
    for name in FILES:
        shutil.copy(PROJECT / name, directory)
    (directory / "requirements.txt").write_text("# nothing\n")
    (directory / "requirements-dev.txt").write_text("# nothing\n")
    return directory


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory with the set-up's files and requirements that need no network."""
    return fill(tmp_path)


@pytest.fixture(scope="module")
def first_setup(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A checkout that was set up, and what the set-up said."""
    directory = fill(tmp_path_factory.mktemp("first"))
    return directory, make(directory, "setup", f"PYTHON={sys.executable}")


@pytest.fixture
def ready(first_setup: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> Path:
    """A checkout of the test's own that has its environment."""
    return shutil.copytree(first_setup[0], tmp_path / "ready", symlinks=True)


def make(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PYTHON"))
    }
    return subprocess.run(
        ["make", *arguments],
        cwd=checkout,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def own_lines(ended: subprocess.CompletedProcess[str]) -> list[str]:
    """What the set-up itself says, without make's report of the failed target."""
    return [line for line in ended.stderr.splitlines() if not line.startswith("make")]


def program(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_make_alone_lists_every_command(checkout):
    ended = make(checkout)
    assert ended.returncode == 0
    for command in ("setup", "demo", "demo-once", "test", "lint", "bench", "acceptance", "help"):
        assert f"make {command} " in ended.stdout


def test_setup_makes_an_environment_once_per_change_of_the_requirements(first_setup, ready):
    _, first = first_setup
    assert first.returncode == 0, first.stderr
    assert "creating .venv" in first.stdout
    again = make(ready, "setup", f"PYTHON={sys.executable}")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    (ready / "requirements.txt").write_text("# changed\n")
    changed = make(ready, "setup", f"PYTHON={sys.executable}")
    assert "installing" in changed.stdout
    assert "creating" not in changed.stdout


def test_a_chosen_python_that_is_too_old_is_named(checkout):
    old = program(checkout, "old-python", OLD_PYTHON)
    ended = make(checkout, "setup", f"PYTHON={old}")
    assert ended.returncode == 2
    assert own_lines(ended) == [
        f"PYTHON={old} is not a Python of at least 3.11: install a newer one, or name another"
    ]


def test_a_chosen_python_that_does_not_exist_is_named(checkout):
    ended = make(checkout, "setup", "PYTHON=/nowhere/python")
    assert ended.returncode == 2
    assert own_lines(ended) == [
        "PYTHON=/nowhere/python is not an installed program: name a Python of at least 3.11"
    ]


def test_without_a_new_python_the_line_says_how_to_name_one(checkout, tmp_path_factory):
    programs = tmp_path_factory.mktemp("bin")
    program(programs, "python3", OLD_PYTHON)
    for name in ("sh", "make"):
        (programs / name).symlink_to(shutil.which(name))
    ended = make(checkout, "setup", PATH=str(programs))
    assert ended.returncode == 2
    assert own_lines(ended) == [
        "no Python of at least 3.11 is found: install one, or name it with make PYTHON=/path/to/python"
    ]


def test_an_old_python3_gives_way_to_a_newer_one_beside_it(ready, tmp_path_factory):
    programs = tmp_path_factory.mktemp("bin")
    program(programs, "python3", OLD_PYTHON)
    program(programs, "python3.12", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    ended = make(ready, "setup", PATH=f"{programs}:{os.environ['PATH']}")
    assert ended.returncode == 0, ended.stderr


def test_a_missing_venv_module_is_named_with_its_package(checkout):
    # -S -I leave the standard library; the module is hidden by an import hook instead of removing it.
    hidden = program(
        checkout,
        "python-without-venv",
        f'#!/bin/sh\ncase "$1" in -I) shift; exec {sys.executable} -I -c "'
        "import sys, importlib.util, runpy; found = importlib.util.find_spec; "
        "importlib.util.find_spec = lambda name, *rest: None if name == 'ensurepip' else found(name, *rest); "
        'sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name=\'__main__\')" "$@" ;; '
        f'*) exec {sys.executable} "$@" ;; esac\n',
    )
    ended = make(checkout, "setup", f"PYTHON={hidden}")
    assert ended.returncode == 2
    (line,) = own_lines(ended)
    assert line.startswith("Python's venv module is missing: apt install python3-venv")


def test_without_a_network_the_line_says_so(ready):
    for stamp in (ready / ".venv").glob("*.stamp"):
        stamp.unlink()
    (ready / "requirements.txt").write_text("no-such-package-of-queuehub==1.0\n")
    ended = make(
        ready,
        "setup",
        f"PYTHON={sys.executable}",
        PIP_CONFIG_FILE=os.devnull,
        PIP_INDEX_URL=f"http://127.0.0.1:{free_port()}/simple",
        PIP_EXTRA_INDEX_URL="",
        PIP_FIND_LINKS="",
    )
    assert ended.returncode == 2
    (line,) = own_lines(ended)
    assert line.startswith("no network: the package index cannot be reached")
    assert not list((ready / ".venv").glob("*.stamp"))


@pytest.mark.slow
def test_a_broken_environment_is_made_anew(ready):
    python = ready / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    ended = make(ready, "setup", f"PYTHON={sys.executable}")
    assert ended.returncode == 0, ended.stderr
    assert "creating .venv" in ended.stdout
