"""What a ledger message looks like on Redis: a native RQ job, its keys and its hash.

The id is `<job uuid>-<publish_seq>`, so that an acknowledgement deletes only its own message. The function
path `jobs.perform.perform` and its single argument are frozen for ever: messages outlive releases.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from rq.defaults import RQ_KEY_PREFIX

from jobs.names import HIGH_SUFFIX
from jobs.transports.base import Message
from jobs.transports.rq_packed import bulk

FUNCTION = "jobs.perform.perform"
HIGH = HIGH_SUFFIX
"""Suffix of the RQ queue that holds a queue's messages of priority above 0."""

QUEUES_KEY = f"{RQ_KEY_PREFIX}:queues"
LIFETIME_SECONDS = 86400
"""When a hash goes by itself, should the worker that popped its id die before it deletes it."""

_LEDGER_ID = re.compile(rb"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})-[0-9]{1,10}")
_PLAIN_ID = re.compile(rb"[A-Za-z0-9_-]{1,200}")

_UUID_LENGTH = 36


def list_key(rq_queue: str) -> str:
    """Return the key of an RQ queue's list."""
    return f"{RQ_KEY_PREFIX}:queue:{rq_queue}"


def rq_queue_of(key: bytes | str) -> str:
    """Return the name of the RQ queue whose list has this key."""
    text = key.decode() if isinstance(key, bytes) else key
    return text.removeprefix(f"{RQ_KEY_PREFIX}:queue:")


def aside_key(key: str) -> str:
    """Return where a value of a wrong type that stood under one of our keys is kept."""
    return f"{RQ_KEY_PREFIX}:wrong-type:{key}"


def hash_key(message_id: str) -> str:
    """Return the key of a message's hash."""
    return f"{RQ_KEY_PREFIX}:job:{message_id}"


def band(message: Message) -> str:
    """Return the RQ queue on which a message stands."""
    return message.queue + HIGH if message.priority > 0 else message.queue


def bands(queue: str) -> tuple[str, str]:
    """Return the RQ queues of a queue, higher priority first."""
    return queue + HIGH, queue


def job_id_of(raw: bytes) -> UUID | None:
    """Return the job of a ledger message's id; None if it is not the id of a ledger message."""
    match = _LEDGER_ID.fullmatch(raw)
    return UUID(match[1].decode()) if match else None


def is_plain_id(raw: bytes) -> bool:
    """Say whether this may be the id of another library's RQ job."""
    return _PLAIN_ID.fullmatch(raw) is not None


def packed_hashes(messages: Iterable[Message]) -> str:
    """Return two packed commands for each message that write its hash: only what RQ's own tools read of a job."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    equal = bulk("status", "queued", "created_at", now, "enqueued_at", now, "timeout", "-1", "result_ttl", "0")
    expiry = bulk(LIFETIME_SECONDS)
    rest: dict[tuple[str, str], str] = {}
    commands: list[str] = []
    for message in messages:
        kind = band(message), message.task
        if kind not in rest:
            rest[kind] = bulk("origin", kind[0], "description", message.task or FUNCTION) + equal
        message_id = message.id
        key = bulk(hash_key(message_id))
        data = bulk("data", f'["{FUNCTION}",null,["{message_id[:_UUID_LENGTH]}"],{{}}]')
        commands.append(f"*18\r\n$4\r\nHSET\r\n{key}{data}{rest[kind]}*3\r\n$6\r\nEXPIRE\r\n{key}{expiry}")
    return "".join(commands)
