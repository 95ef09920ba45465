"""Crashes at failpoints: processes of a site are started with points armed, and what fires is counted."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from jobs.failpoints import VARIABLE
from tests.faults.site import STOP_SECONDS, Site

PATIENCE_SECONDS = 120
"""How long a point may take to fire, after the usual length of a fault."""

LOOK_SECONDS = 0.3

_FIRED = re.compile(r"^failpoint (\S+): \w+ in process", re.MULTILINE)


def armed(*rules: str) -> dict[str, str]:
    """Return the environment of a process in which these points are armed."""
    return {VARIABLE: ",".join(rules)}


def killing(points: Mapping[str, float]) -> dict[str, str]:
    """Return the environment of a process that is killed at these points, each by its own chance."""
    return armed(*(f"{name}=kill:probability={chance}" for name, chance in points.items()))


def fired(site: Site) -> Counter[str]:
    """Count how often each point has fired in processes of the site."""
    return Counter(name for running in site.processes.started for name in _FIRED.findall(running.output))


def await_firing(site: Site, points: Iterable[str], provoke: Callable[[], object], seconds: float) -> None:
    """Provoke for so many seconds, and on until every point has fired; note in the record how often each did.

    Raises: AssertionError with the points that did not fire: nothing would be shown of them.
    """
    ends_at = time.monotonic() + seconds
    while True:
        provoke()
        site.rest(LOOK_SECONDS)
        counts = fired(site)
        missing = [name for name in points if not counts[name]]
        if time.monotonic() > ends_at and (not missing or time.monotonic() > ends_at + PATIENCE_SECONDS):
            break
    site.notes["crashes"] = site.notes.get("crashes", {}) | {name: counts[name] for name in points}
    assert not missing, f"never fired: {', '.join(missing)}"


def restart_pool(site: Site, node: str, *options: str, **env: str) -> None:
    """Stop a pool in good order and start it with another environment."""
    site.pools.pop(node).stop(STOP_SECONDS)
    site.start_pool(node, *options, processes=2, **env)


def restart_scheduler(site: Site, node: str, **env: str) -> None:
    """Stop a scheduler in good order and start it with another environment."""
    site.schedulers.pop(node).stop(STOP_SECONDS)
    site.start_scheduler(node, **env)
