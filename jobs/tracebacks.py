"""What an exception leaves in the ledger and in logs: its class, its text and its traceback.

All of it comes from a task's code and may be of any size or raise itself. Here it becomes short text that every
database stores, without secrets. Nothing in this file raises.
"""

import traceback
from collections.abc import Iterator
from types import TracebackType

from jobs.masking import mask

CUT = "\n… [cut] …\n"
MOST_CHARACTERS = 1000
"""Of a message, a reason or the name of a class."""

MOST_LINKS = 50
"""Causes, contexts and members of groups that a traceback shows; with more it shows the last exception only."""

MOST_FRAMES = 10_000
MOST_TEXT = 1024 * 1024
"""Characters of all messages of a chain together."""


def class_of(error: BaseException) -> str:
    """Return the full name of the exception's class, without "builtins"."""
    try:
        kind = type(error)
        return clean(f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."))
    except BaseException:
        return "an exception whose class has no name"


def text_of(error: BaseException) -> str:
    """Return the exception's own text, whatever its size; a stand-in if it raises."""
    try:
        return str.__str__(str(error))
    except BaseException as inner:
        return f"<the exception's own text failed: {class_of(inner)}>"


def message_of(error: BaseException) -> str:
    """Return the exception's text, cut."""
    return clean(text_of(error))


def traceback_of(error: BaseException, limit_bytes: int, frames: TracebackType | None = None) -> str:
    """Return the traceback as Python prints it, cut in the middle to `limit_bytes`.

    It begins with `frames`, by default those of the exception.
    """
    try:
        frames = frames or error.__traceback__
        if _is_moderate(error):
            parts = traceback.format_exception(type(error), error, frames)
        else:
            parts = [*_shortened(frames), f"{class_of(error)}: {message_of(error)}\n"]
        text = "".join(mask(part, is_code=part.lstrip(" |+-").startswith("File ")) for part in parts)
    except BaseException:
        text = f"{class_of(error)}: {message_of(error)}\n[its traceback could not be formatted]\n"
    return _cut(_storable(text), limit_bytes)


def clean(text: str, limit_bytes: int = MOST_CHARACTERS) -> str:
    """Return text that every database can store, without secrets, cut in the middle to `limit_bytes`."""
    if len(text) > 8 * limit_bytes:  # not to search a hundred megabytes of which a kilobyte stays
        text = text[: 4 * limit_bytes] + CUT + text[-4 * limit_bytes :]
    return _cut(_storable(mask(text)), limit_bytes)


def _storable(text: str) -> str:
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()


def _cut(text: str, limit_bytes: int) -> str:
    data = text.encode()
    if len(data) <= limit_bytes:
        return text
    half = max((limit_bytes - len(CUT.encode())) // 2, 0)
    return (data[:half] + CUT.encode() + data[len(data) - half :]).decode(errors="ignore")


def _shortened(frames: TracebackType | None) -> Iterator[str]:
    yield "… [cut: too many causes, frames or texts] …\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(frames, limit=-100)


def _is_moderate(error: BaseException) -> bool:
    """Tell whether Python's own formatting, which reads everything first, stays small."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    character_count = frame_count = 0
    while waiting:
        link = waiting.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        character_count += len(text_of(link)) + _extra_length(link)
        for _ in traceback.walk_tb(link.__traceback__):
            frame_count += 1
            if frame_count > MOST_FRAMES:
                return False
        if len(seen) > MOST_LINKS or character_count > MOST_TEXT:
            return False
        waiting += [link.__cause__, link.__context__]
        if isinstance(link, BaseExceptionGroup):
            waiting += link.exceptions[: MOST_LINKS + 1]
    return True


def _extra_length(error: BaseException) -> int:
    """Return the length of what is printed beside the message: notes, and the line of a syntax error."""
    notes = getattr(error, "__notes__", ())
    length = sum(len(note) for note in notes if isinstance(note, str)) if isinstance(notes, list) else 0
    return length + len(str(error.text or "")) if isinstance(error, SyntaxError) else length
