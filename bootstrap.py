"""Creates .venv and installs requirements files into it, once for each of their versions.

Only the standard library is used: this runs before anything is installed. `make` calls it through
bootstrap.sh, which finds a Python of at least 3.11. What goes wrong is said in one line, and the exit code
is 2.
"""

import fcntl
import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
LOG = VENV / "pip.log"
USAGE = 2
SIGNS_OF_NO_NETWORK = (
    "ConnectTimeoutError",
    "Connection refused",
    "Failed to establish a new connection",
    "Name or service not known",
    "Network is unreachable",
    "NewConnectionError",
    "ProxyError",
    "ReadTimeoutError",
    "Temporary failure in name resolution",
    "nodename nor servname",
)


class BootstrapError(Exception):
    """The set-up cannot go on; the message is one line that says what to do."""


def main(names: list[str]) -> int:
    """Install the requirements files `names`; do nothing where all that is done already."""
    # A lock on the directory itself: two makes in one checkout wait for each other and leave no file behind.
    project = os.open(PROJECT, os.O_RDONLY)
    try:
        fcntl.flock(project, fcntl.LOCK_EX)
        if not is_up_to_date(names):
            create_environment()
            install(names)
    except BootstrapError as error:
        print(error, file=sys.stderr)
        return USAGE
    finally:
        os.close(project)
    return 0


def stamp(names: list[str]) -> Path:
    """Return the file that stands for "these requirements are installed"; the last name is the widest set."""
    return VENV / f"{names[-1]}.stamp"


def digest(names: list[str]) -> str:
    """Return what the stamp holds: the interpreter's version and the requirements' contents."""
    content = hashlib.sha256(b"%d.%d" % sys.version_info[:2])
    for name in names:
        content.update((PROJECT / name).read_bytes())
    return content.hexdigest()


def is_up_to_date(names: list[str]) -> bool:
    """Say whether .venv works and holds just these requirements."""
    try:
        return stamp(names).read_text() == digest(names) and works(PYTHON)
    except OSError:
        return False


def works(python: Path) -> bool:
    """Say whether `python` runs and is of this version; its base may have been removed or replaced."""
    question = "import sys; print(*sys.version_info[:2])"
    try:
        answer = subprocess.run([python, "-I", "-c", question], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return answer.stdout.split() == [str(part) for part in sys.version_info[:2]]


def create_environment() -> None:
    """Create .venv, or create it anew where its interpreter does not work or has no pip."""
    pip = [PYTHON, "-m", "pip", "--version"]
    if works(PYTHON) and subprocess.run(pip, capture_output=True, check=False).returncode == 0:
        return
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        package = "python{}.{}-venv".format(*sys.version_info[:2])
        raise BootstrapError(f"Python's venv module is missing: apt install python3-venv (or {package})")
    say("creating .venv")
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", VENV], capture_output=True, text=True, check=False
    )
    if made.returncode:
        lines = (made.stdout + made.stderr).strip().splitlines() or ["no message"]
        raise BootstrapError(f"cannot create {VENV}: {lines[-1]}")


def install(names: list[str]) -> None:
    """Install the requirements files with pip, and write the stamps."""
    say(f"installing {' and '.join(names)} into .venv")
    command = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--retries", "2"]
    for name in names:
        command += ["-r", PROJECT / name]
    with LOG.open("w") as log:
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    if code:
        raise BootstrapError(reason(LOG.read_text(errors="replace")))
    # The wider set holds the narrower ones, whose stamps spare `make demo` a second run of pip.
    for count in range(1, len(names) + 1):
        stamp(names[:count]).write_text(digest(names[:count]))


def reason(output: str) -> str:
    """Return one line on why pip failed."""
    if any(sign in output for sign in SIGNS_OF_NO_NETWORK):
        return "no network: the package index cannot be reached; connect, or set PIP_INDEX_URL, and try again"
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")]
    detail = errors[-1] if errors else "pip failed"
    return f"{detail} (see {LOG})"


def say(text: str) -> None:
    """Tell the progress at once, even into a pipe."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
