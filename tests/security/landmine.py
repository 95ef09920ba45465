"""A module that nobody may import: it says so in a file when it is."""

import os
from pathlib import Path

Path(os.environ.get("QUEUEHUB_LANDMINE", "/nonexistent")).with_suffix(".imported").touch()


def explode(path: str) -> None:
    """Say in a file that it was called."""
    Path(path).touch()
