"""Run a command that is struck once, at an exact place in its code.

    python -m tests.rq_holes.struck PLACE WHEN BLOW MARKER rq|manage ARGUMENT …

PLACE is `module:attribute` of a function or method; several, with commas between, are struck once each. WHEN is
`before` a call, or `after` the first call that returned something true. BLOW is a signal that the process sends
itself, such as KILL, or a dotted exception class to raise. Whoever creates the file MARKER (MARKER-1 for the second
place, and so on) strikes, so that of all processes and their successors only one does; with the name `-` every call is
struck.
"""

import functools
import inspect
import os
import runpy
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

EVERY_TIME = "-"


def strike(blow: str, marker: str) -> None:
    """Do it, unless it was done."""
    if marker != EVERY_TIME:
        try:
            Path(marker).touch(exist_ok=False)
        except FileExistsError:
            return
    if "." in blow:
        module, name = blow.rsplit(".", 1)
        raise getattr(import_module(module), name)("struck by a test")
    os.kill(os.getpid(), signal.Signals[f"SIG{blow}"])


def arm(place: str, when: str, blow: str, marker: str) -> None:
    """Put the strike before or after the calls of the function at `place`."""
    module_name, path = place.split(":")
    owner: Any = import_module(module_name)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    original: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(original)
    def struck(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            strike(blow, marker)
        result = original(*args, **kwargs)
        if when == "after" and result:
            strike(blow, marker)
        return result

    is_bound = isinstance(inspect.getattr_static(owner, name), classmethod)
    setattr(owner, name, staticmethod(struck) if is_bound else struck)


def arm_all(places: str, when: str, blow: str, marker: str) -> None:
    """Arm each of the places, with a marker of its own."""
    for number, place in enumerate(places.split(",")):
        arm(place, when, blow, f"{marker}-{number}" if number else marker)


def main() -> None:
    places, when, blow, marker, program, *arguments = sys.argv[1:]
    sys.argv[1:] = arguments
    if program == "rq":
        arm_all(places, when, blow, marker)
        runpy.run_module("rq.cli", run_name="__main__", alter_sys=True)
    else:
        import django
        from django.core.management import execute_from_command_line

        django.setup()
        arm_all(places, when, blow, marker)
        execute_from_command_line(["manage.py", *arguments])


if __name__ == "__main__":
    main()
