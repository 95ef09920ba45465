"""A sleep that careless code would take: nothing that is raised inside ends it."""

import time


def sleep_through(kind: type[BaseException], seconds: float) -> None:
    """Sleep so long, whatever of this kind is raised meanwhile."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        try:
            time.sleep(0.02)
        except kind:
            continue
