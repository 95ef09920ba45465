"""The form of log lines: one escaped line per event, for readers or for machines, without secrets.

Messages hold what tasks raise, what others wrote to Redis and what operators typed. A line break in them would forge
a second event, an escape sequence would repaint the reader's terminal.
"""

import json
import logging
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from types import TracebackType
from typing import Any

from jobs.log_context import FIELDS, stamp
from jobs.masking import MASK, is_secret_name
from jobs.tracebacks import class_of, clean, traceback_of

MOST_BYTES = 32 * 1024
"""Of a line, and of the traceback in it."""

MOST_FIELDS, MOST_FIELD_BYTES, MOST_DEPTH = 50, 4 * 1024, 4
"""Of what a caller adds to a line by `extra`: how many, how long, how deep."""

# control characters, the line and paragraph separators, and what changes the direction of text
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\x1b"}
# what every record has; whatever else is on it was put there by `extra`, but uvicorn's message in colours
_PLAIN = {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName", "color_message"}
_LARGEST = 2**53
"""Of a whole number; readers of JSON that know no other numbers than these would change a larger one."""

SystemExcInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class LineFormatter(logging.Formatter):
    """A formatter for `LOGGING`: `{"()": "jobs.log_lines.LineFormatter", "format": …, "style": "{"}`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line; a traceback follows its message, its line breaks written as \\n."""
        try:
            stamp(record)
            text = super().format(record)
        except (Exception, SystemExit) as error:  # arguments that do not fit the message, or that cannot be shown
            text = f"{record.levelname} {record.name} {_unspeakable(error)}"
        return one_line(text)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        text = clean(super().formatMessage(record), MOST_BYTES)
        known = record.__dict__
        if "event" in known or "job" not in known:
            return text  # an event's own words say all of it
        fields = " ".join(f"{name}={known[name]}" for name in FIELDS if name in known)
        return f"{text} [{clean(fields)}]"

    def formatException(self, ei: SystemExcInfo) -> str:  # noqa: N802
        return traceback_of(ei[1], MOST_BYTES, ei[2]).rstrip() if ei[1] is not None else ""


class JsonFormatter(logging.Formatter):
    """A formatter for `LOGGING`, `{"()": "jobs.log_lines.JsonFormatter"}`: each line is one JSON object.

    It has `timestamp` (UTC), `level`, `logger` and `message`; `event` and its fields, or those of the job whose task
    said it; whatever `extra` adds; `exception` (a traceback) and `stack`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON without control characters."""
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": clean(str(record.name)),
        }
        try:
            line["message"] = clean(record.getMessage(), MOST_BYTES)
        except (Exception, SystemExit) as error:
            line["message"] = _unspeakable(error)
        stamp(record)
        added = [name for name in record.__dict__ if name not in _PLAIN and name not in line][:MOST_FIELDS]
        for name in added:
            line[clean(str(name))] = _plain(record.__dict__[name], str(name))
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = traceback_of(record.exc_info[1], MOST_BYTES, record.exc_info[2]).rstrip()
        if record.stack_info:
            line["stack"] = clean(record.stack_info, MOST_BYTES)
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
        return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def one_line(text: str) -> str:
    """Return the text with what could forge a line or repaint a terminal written as escapes."""
    return _UNSAFE.sub(_escaped, text)


def _escaped(match: "re.Match[str]") -> str:
    character = match[0]
    return _SHORT.get(character) or (f"\\x{ord(character):02x}" if character < "\x80" else f"\\u{ord(character):04x}")


def _unspeakable(error: BaseException) -> str:
    return f"a message that cannot be formatted: {class_of(error)}"


def _plain(value: Any, name: str = "", depth: int = 0) -> Any:
    """Return a value as JSON has it, small and without secrets; `name` is the key that holds it."""
    if value is None or isinstance(value, bool):
        return value
    if is_secret_name(name):
        return MASK
    try:
        if isinstance(value, int) and abs(value) <= _LARGEST:
            return int(value)
        if isinstance(value, float) and math.isfinite(value):
            return float(value)
        if isinstance(value, Mapping) and depth < MOST_DEPTH:
            pairs = islice(value.items(), MOST_FIELDS)
            return {clean(str(key)): _plain(item, str(key), depth + 1) for key, item in pairs}
        if isinstance(value, list | tuple | set | frozenset) and depth < MOST_DEPTH:
            return [_plain(item, "", depth + 1) for item in islice(value, MOST_FIELDS)]
        return clean(str(value), MOST_FIELD_BYTES)
    except (Exception, SystemExit) as error:  # it is of a class of the application
        return f"a value that cannot be shown: {class_of(error)}"
