"""Failures that are the same: one short name for an exception's class, its message and the place that raised it.

The message counts without what differs from run to run (numbers, identifiers, quoted values, paths), the place is the
innermost frame of the application. All of it is read from text that is kept anyway.
"""

import hashlib
import re
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path

LENGTH = 16
MOST_MESSAGE = 500

# Each pattern takes linear time; in this order, because a later one would break up what an earlier one knows. Numbers
# and identifiers have one shape: "7f3a01" may be followed by "813201". A prefix such as "req_" stays.
_SHAPES = (
    (re.compile(r"\b[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\b"), "<uuid>"),
    (re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`"), "<value>"),
    (re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://[^\s,;)\]}>]+"), "<url>"),
    (re.compile(r"(?<![\w.>])~?(?:/[\w.@%+-]+){2,}/?|\b[A-Za-z]:\\[\w.\\-]+"), "<path>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b|(?<![A-Za-z0-9])(?=[A-Za-z]*[0-9])[A-Za-z0-9]{8,}(?![A-Za-z0-9])"), "<n>"),
    (re.compile(r"(?<![A-Za-z0-9])[-+]?\d+(?:[.,:]\d+)*"), "<n>"),
    (re.compile(r"\s+"), " "),
)
_FRAME = re.compile(r'^[\s|+]*File "([^"\n]+)", line \d+, in (.+)$', re.MULTILINE)
_START = "Traceback (most recent call last)"
_PACKAGES = frozenset({"site-packages", "dist-packages"})
_ENGINE = Path(__file__).parent


def fingerprint_of(exception_class: str, message: str, frame: str) -> str:
    """Return the name of failures of this class and message at this place: 16 hexadecimal digits."""
    text = "\0".join((exception_class, normalised(message), frame))
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:LENGTH]


def normalised(message: str) -> str:
    """Return a message without what differs from run to run, in one line."""
    for pattern, shape in _SHAPES:
        message = pattern.sub(shape, message)
    return message.strip()[:MOST_MESSAGE]


def frame_of(traceback: str) -> str:
    """Return the innermost frame of the application as "billing/charge.py: pay"; empty if there is none.

    The standard library, installed packages and this engine are no part of the application. Of several tracebacks in
    a chain the last one counts, which is that of the exception that ended the task.
    """
    last = traceback[max(traceback.rfind(_START), 0) :]
    for path, function in reversed(_FRAME.findall(last)):
        if shown := application_path(path):
            return f"{shown}: {function}"[:255]
    return ""


@lru_cache(maxsize=4096)
def application_path(name: str) -> str:
    """Return a file of the application relative to where it is imported from; empty for any other file."""
    path = Path(name)
    if name.startswith("<") or not _PACKAGES.isdisjoint(path.parts):
        return ""
    if any(path.is_relative_to(directory) for directory in _foreign()):
        return ""
    roots = [root for root in sys.path if root and path.is_relative_to(root)]
    return str(path.relative_to(max(roots, key=len)) if roots else Path(*path.parts[-3:]))


@lru_cache(maxsize=1)
def _foreign() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return (*(Path(sysconfig.get_path(name)) for name in names), _ENGINE)
