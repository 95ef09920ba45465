"""Prometheus's own tools, where they are installed."""

import shutil
import subprocess

from tests.conftest import missing


def program(name: str) -> str:
    """Return the path of `prometheus` or `promtool`; without it, skip the test, or fail it in CI."""
    found = shutil.which(name)
    if found is None:
        missing(f"{name} is not installed (Debian: apt install prometheus)")
    return found


def promtool(*words: object) -> str:
    """Run promtool and return what it says.

    Raises: AssertionError with it if promtool blames anything.
    """
    ended = subprocess.run([program("promtool"), *map(str, words)], capture_output=True, text=True, timeout=60)
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, said
    return said
