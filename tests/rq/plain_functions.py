"""Functions that plain RQ jobs call in tests."""

import os as operating_system  # noqa: F401 - a way out that must stay shut
import time
from functools import partial
from pathlib import Path


def add(a: int, b: int = 0) -> int:
    return a + b


def fail() -> None:
    raise ValueError("plainly wrong")


def leave() -> None:
    raise SystemExit(0)


def write(path: str, text: str) -> None:
    Path(path).write_text(text)


def wait(seconds: float) -> None:
    time.sleep(seconds)


async def add_later(a: int, b: int) -> int:
    return a + b


class Holder:
    @staticmethod
    def inside() -> str:
        return "inside"


alias_of_add = add
partly = partial(add, 1)
