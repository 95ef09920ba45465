"""Functions that stock RQ workers call in these tests; nothing here knows QueueHub."""

import os
import time
from pathlib import Path
from typing import Any

from tests.journal import BEGAN, ENDED, append
from tests.stubborn import sleep_through


def note(path: str, key: str) -> str:
    """Be done at once."""
    append(path, BEGAN, key)
    return key


def wait_while(path: str, key: str, flag: str) -> str:
    """Wait as long as a file exists; say by which process the value was made."""
    append(path, BEGAN, key)
    while Path(flag).exists():
        time.sleep(0.02)
    append(path, ENDED, key)
    return f"by {os.getpid()}"


def fail(path: str, key: str) -> None:
    """Raise, with another text each time."""
    append(path, BEGAN, key)
    raise ValueError(f"failure {len(Path(path).read_text().splitlines())}")


def leave(path: str, key: str) -> None:
    """End the process as if all were well."""
    append(path, BEGAN, key)
    os._exit(0)


def swallow(path: str, key: str, seconds: float) -> str:
    """Go on whatever is raised inside, as careless code does."""
    append(path, BEGAN, key)
    sleep_through(Exception, seconds)
    append(path, ENDED, key)
    return "never noticed"


def raise_after_success(*_: Any) -> None:
    """A success callback with a mistake."""
    raise RuntimeError("the callback is broken")
