"""Figures as people say them: the same words on every page and in every live snapshot."""

from datetime import datetime

from jobs import spoken

MILLION = 1_000_000
NOTHING = "\N{EN DASH}"

capped, plural = spoken.capped, spoken.count


def number(count: float) -> str:
    """Say a count: "1,204"."""
    return f"{count:,.0f}"


def short_number(count: int, cap: int | None = None) -> str:
    """Say a count in little room: "940", "1.2k", "3.1M"; at the cap, "10k+"."""
    more = "+" if cap is not None and count >= cap else ""
    if count < 1000:
        return f"{count}{more}"
    unit, name = (1000, "k") if count < MILLION else (MILLION, "M")
    text = f"{count / unit:.1f}" if count < 10 * unit else f"{count / unit:.0f}"
    return f"{text.removesuffix('.0')}{name}{more}"


def duration(seconds: float | None) -> str:
    """Say a length of time: "4 ms", "1.8 s", "38 s", "12 min", "3 h", "2 d"; a dash for None."""
    if seconds is None:
        return NOTHING
    if seconds == 0:
        return "0 s"
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return spoken.duration(seconds)


def milliseconds(seconds: float) -> str:
    """Say the time of an answer: "0.4 ms", "38 ms", "1.3 s"."""
    return f"{seconds * 1000:.1f} ms" if seconds < 0.00995 else duration(seconds)


def share(part: float, whole: float) -> str:
    """Say a part of a whole: "0.4%", a dash of nothing."""
    if not whole:
        return NOTHING
    percent = 100 * part / whole
    return f"{percent:.0f}%" if percent >= 9.95 or percent == 0 else f"{percent:.1f}%"


def memory(byte_count: int) -> str:
    """Say an amount of memory: "48 MB"."""
    if not byte_count:
        return NOTHING
    megabytes = byte_count / 2**20
    return f"{megabytes:.0f} MB" if megabytes < 1024 else f"{megabytes / 1024:.1f} GB"


def ago(at: datetime | None, now: datetime) -> str:
    """Say how long ago something was: "just now", "38 s ago"; a dash for None."""
    if at is None:
        return NOTHING
    seconds = (now - at).total_seconds()
    return f"{whole_seconds(seconds)} ago" if seconds >= 1 else "just now"


def ahead(at: datetime | None, now: datetime) -> str:
    """Say when something will be: "in 2 min", "38 s overdue", within a second of it "now"; a dash for None."""
    if at is None:
        return NOTHING
    seconds = (at - now).total_seconds()
    if abs(seconds) < 1:
        return "now"
    return f"in {whole_seconds(seconds)}" if seconds > 0 else f"{whole_seconds(-seconds)} overdue"


def whole_seconds(seconds: float) -> str:
    """Say a length of time without the tenths that are noise in a distance from now: "5 s", "38 s"."""
    return spoken.duration(float(round(seconds)))
