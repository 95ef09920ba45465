"""The form of log lines: one escaped line per event, without secrets.

Messages hold what tasks raise, what others wrote to Redis and what operators typed. A line break in them would forge
a second event, an escape sequence would repaint the reader's terminal.
"""

import logging
import re
from types import TracebackType

from jobs.tracebacks import class_of, clean, traceback_of

MOST_BYTES = 32 * 1024
"""Of a line, and of the traceback in it."""

# control characters, the line and paragraph separators, and what changes the direction of text
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\x1b"}

SystemExcInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class LineFormatter(logging.Formatter):
    """A formatter for `LOGGING`: `{"()": "jobs.log_lines.LineFormatter", "format": …, "style": "{"}`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line; a traceback follows its message, its line breaks written as \\n."""
        try:
            text = super().format(record)
        except (Exception, SystemExit) as error:  # arguments that do not fit the message, or that cannot be shown
            text = f"{record.levelname} {record.name} a message that cannot be formatted: {class_of(error)}"
        return one_line(text)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        return clean(super().formatMessage(record), MOST_BYTES)

    def formatException(self, ei: SystemExcInfo) -> str:  # noqa: N802
        return traceback_of(ei[1], MOST_BYTES, ei[2]).rstrip() if ei[1] is not None else ""


def one_line(text: str) -> str:
    """Return the text with what could forge a line or repaint a terminal written as escapes."""
    return _UNSAFE.sub(_escaped, text)


def _escaped(match: "re.Match[str]") -> str:
    character = match[0]
    return _SHORT.get(character) or (f"\\x{ord(character):02x}" if character < "\x80" else f"\\u{ord(character):04x}")
