"""Where the systems run: the peers' own environment, Node's packages, the project's environment."""

import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
CACHE = PROJECT / "var" / "benchmarks"
REQUIREMENTS = PROJECT / "benchmarks" / "requirements.txt"
NODE_MODULES = CACHE / "node" / "node_modules"
_NODE_PEER = PROJECT / "benchmarks" / "peers" / "bullmq"


_CODE = ("benchmarks", "dashboards", "jobs", "queuehub", "manage.py")


class MissingRuntime(Exception):
    """What a system runs on is not on this machine; the message says what."""


def snapshot(directory: Path) -> Path:
    """Copy what runs into a new directory and return it, so that a run measures one state of the code."""
    directory.mkdir()
    for name in _CODE:
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(PROJECT / name, directory)
    return directory


def peers_python() -> Path:
    """Return the interpreter of the peers' own environment, which is made when its requirements have changed."""
    home = CACHE / "venv"
    python, mark = home / "bin" / "python", home / "requirements.txt"
    if not mark.exists() or mark.read_text() != REQUIREMENTS.read_text():
        print("installing the peers …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", REQUIREMENTS], check=True)
        mark.write_text(REQUIREMENTS.read_text())
    return python


def client_command(runtime: str, python: Path, module: str, variant: str) -> list[str]:
    """Return the beginning of the command that acts for a system; `python` is the peers' interpreter.

    Raises: MissingRuntime.
    """
    if runtime == "node":
        return [_node(), str(_NODE_PEER / "client.cjs")]
    interpreter = sys.executable if runtime == "project" else str(python)
    return [interpreter, "-m", "benchmarks.client", module, variant]


def _node() -> str:
    """Return Node's program, with the packages that the peer needs installed in the cache."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise MissingRuntime("Node not found")
    home, wanted = NODE_MODULES.parent, (_NODE_PEER / "package.json").read_text()
    mark = home / "package.json"
    if not NODE_MODULES.exists() or not mark.exists() or mark.read_text() != wanted:
        print("installing the peers on Node …", flush=True)
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        mark.write_text(wanted)
        command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        if subprocess.run(command, cwd=home, check=False).returncode:
            shutil.rmtree(home, ignore_errors=True)
            raise MissingRuntime("npm could not install the packages")
    return node
