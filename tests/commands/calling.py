"""Commands called in this process, as a shell would see them."""

import io
from typing import Any, NamedTuple

from django.core.management import CommandError, call_command


class Ended(NamedTuple):
    """What a command wrote, and its exit code."""

    out: str
    err: str
    code: int


class Keyboard(io.StringIO):
    """A terminal at which somebody has typed something."""

    def isatty(self) -> bool:
        return True


def run(name: str, *words: str) -> Ended:
    """Call a command with the words of a command line."""
    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    try:
        call_command(name, *words, stdout=out, stderr=err)
    except CommandError as error:
        err.write(f"CommandError: {error}\n")
        # from a shell, a word that cannot be parsed ends the process with 2
        code = 2 if str(error).startswith("Error: ") else error.returncode
    except SystemExit as end:
        code = end.code or 0
    return Ended(out.getvalue(), err.getvalue(), code)
