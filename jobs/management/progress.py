"""One line that shows how far long work is; on a terminal only, so that pipes and logs stay clean."""

import logging
import time
from collections.abc import Iterator
from typing import Any

from jobs import spoken

WIDTH = 24
EVERY_SECONDS = 0.1


class Progress:
    """A line on standard error that is written over again and goes away at the end: `with Progress(…) as line:`."""

    def __init__(self, stream: Any, verb: str) -> None:
        self._stream, self._verb = stream, verb
        self._is_shown = bool(stream.isatty())
        self._began_at = time.monotonic()
        self._told_at = float("-inf")

    def __enter__(self) -> "Progress":
        self._handlers = list(_handlers_on_terminals()) if self._is_shown else []
        for handler in self._handlers:
            handler.addFilter(self._makes_way)
        return self

    def __exit__(self, *_: object) -> None:
        for handler in self._handlers:
            handler.removeFilter(self._makes_way)
        self._write("")

    def _makes_way(self, record: logging.LogRecord) -> bool:
        """Clear the line for a warning; leave out what only says that the work goes on, as the line does."""
        is_worth_it = record.levelno > logging.INFO
        if is_worth_it:
            self._write("")
        return is_worth_it

    def tell(self, done: int, total: int = 0) -> None:
        """Show how much is done; `total` 0 means that nobody knows how much there is."""
        now = time.monotonic()
        if now - self._told_at < EVERY_SECONDS:
            return
        self._told_at = now
        seconds = now - self._began_at
        text = f"{self._verb} {done:,}"
        if total:
            share = min(1.0, done / total)
            filled = round(share * WIDTH)
            text = f"[{'#' * filled}{'-' * (WIDTH - filled)}] {share:4.0%}  {text} of {total:,}"
            if 0 < done < total:
                text += f", about {spoken.duration(seconds * (total - done) / done)} left"
        self._write(text)

    def _write(self, text: str) -> None:
        if self._is_shown:
            self._stream.write(f"\r\x1b[K{text}", style_func=str, ending="")
            self._stream.flush()


def _handlers_on_terminals() -> Iterator[logging.Handler]:
    """Yield the handlers that show on a terminal what this package logs."""
    logger: logging.Logger | None = logging.getLogger("jobs.operator")
    while logger is not None:
        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream.isatty():
                yield handler
        logger = logger.parent if logger.propagate else None
