"""RQ's lists on Redis: taking ids off them, and clearing away what is no list."""

import logging
from collections.abc import Sequence
from typing import Any

from redis import Redis
from redis.exceptions import NoPermissionError, ResponseError

from jobs.transports.rq_messages import QUEUES_KEY, aside_key

logger = logging.getLogger("jobs.transports.rq")

Popped = tuple[str, list[bytes]]
"""The key of a list and the ids taken from its head; ("", []) if there was none."""


class NoBatchPop(Exception):
    """The server has no BLMPOP (Redis before 7.0), or forbids it."""


def pop(client: "Redis", keys: Sequence[str], limit: int, wait_seconds: float) -> Popped:
    """Take up to `limit` ids off the first list that has any, in one round trip.

    Raises: NoBatchPop; redis-py's errors.
    """
    reply: Any
    try:
        if wait_seconds > 0:
            reply = client.blmpop(wait_seconds, len(keys), *keys, direction="LEFT", count=limit)
        else:
            reply = client.lmpop(len(keys), *keys, direction="LEFT", count=limit)
    except NoPermissionError as error:
        raise NoBatchPop from error
    except ResponseError as error:
        if "unknown command" in str(error).lower():
            raise NoBatchPop from error
        raise
    return (reply[0].decode(), reply[1]) if reply else ("", [])


def pop_in_steps(client: "Redis", keys: Sequence[str], limit: int, wait_seconds: float) -> Popped:
    """Do the same on a server without BLMPOP, in one round trip for each list and one to wait."""
    for key in keys:
        found: Any = client.lpop(key, limit)
        if found:
            return key, found
    reply: Any = client.blpop(list(keys), wait_seconds) if wait_seconds > 0 else None
    if not reply:
        return "", []
    more: Any = client.lpop(reply[0], limit - 1) if limit > 1 else None
    return reply[0].decode(), [reply[1], *(more or [])]


def set_aside(client: "Redis", keys: Sequence[str]) -> int:
    """Rename what stands under these keys and is no list, so that the queue works again; return how many.

    RQ's set of queue names is looked at as well.
    """
    wanted = dict.fromkeys(keys, b"list") | {QUEUES_KEY: b"set"}
    pipe = client.pipeline(transaction=False)
    for key in wanted:
        pipe.type(key)
    count = 0
    for (key, kind), found in zip(wanted.items(), pipe.execute(), strict=True):
        if found not in (kind, b"none"):
            count += 1
            logger.error("%s was a %s: renamed to %s", key, found.decode(), aside_key(key))
            client.rename(key, aside_key(key))
    return count
