"""RQ jobs of other origin on our queues: run if their function is allowed by its exact name, else refused.

Only bytes are looked at until a job has passed: a pickle is never loaded, and nothing is imported because a
message names it. A prefix would be no fence: `shop.tasks.os.system` resolves where `shop.tasks` imports `os`.

The promise is RQ's own, at most once. A job is entered in RQ's started registry right after it was popped,
where it stays findable if its worker dies; RQ's maintenance then moves it to the failed registry. Between the
pop and that entry, one round trip, a dying worker leaves it only as a hash with the status "queued".
"""

import json
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from inspect import isroutine
from typing import Any

from redis import Redis
from redis import exceptions as redis_errors
from rq.defaults import DEFAULT_FAILURE_TTL
from rq.job import Job
from rq.registry import FailedJobRegistry
from rq.results import Result
from rq.serializers import JSONSerializer

from jobs.conf import get_settings
from jobs.transports.rq_messages import hash_key
from jobs.transports.rq_plain_run import PlainRun

logger = logging.getLogger("jobs.transports.rq")

MAX_BODY_BYTES = 1024 * 1024
MAX_HASH_BYTES = 2 * MAX_BODY_BYTES

_FORBIDDEN = {
    b"success_callback_name": "a success callback",
    b"failure_callback_name": "a failure callback",
    b"stopped_callback_name": "a stopped callback",
    b"webhooks": "a webhook",
    b"dependency_id": "a dependency",
    b"dependency_ids": "a dependency",
    b"repeats_left": "a repeat",
    b"retries_left": "a retry",
    b"rate_limit_key": "a rate limit",
}
_NOTHING = (None, b"", b"0", b"[]")


_READ = (
    b"data", b"status", b"created_at", b"enqueued_at", b"description", b"timeout", b"result_ttl", b"failure_ttl",
    b"ttl", *_FORBIDDEN,
)  # fmt: skip
"""What is read of a hash; a result, `exc_info` or `meta` of any size stays where it is."""


class Refused(Exception):
    """This plain job may not run here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a plain job asks for."""

    function: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]


def accept(client: "Redis", ids: Sequence[str], rq_queue: str, worker_name: str) -> list[PlainRun]:
    """Read the jobs with these popped ids, enter the allowed ones as started and refuse the others."""
    accepted = []
    for job_id, fields in zip(ids, _read(client, ids), strict=True):
        if fields is None or (fields and fields.get(b"status") != b"queued"):
            logger.warning("dropped %s on %s: no RQ job that waits to be run", job_id, rq_queue)
            continue
        try:
            if not fields:
                raise Refused(f"its hash is larger than {MAX_HASH_BYTES} bytes. Pass a reference instead.")
            call = check(fields)
            job = Job(job_id, connection=client, serializer=JSONSerializer)
            job.restore(fields)
            job.origin = rq_queue
            accepted.append(PlainRun.enter(job, call.function, call.args, call.kwargs, worker_name))
        except (redis_errors.ConnectionError, redis_errors.TimeoutError):
            raise
        except Refused as refusal:
            _refuse(client, job_id, rq_queue, str(refusal))
        except Exception as error:
            _refuse(client, job_id, rq_queue, f"its hash is damaged ({type(error).__name__}). Enqueue it again.")
    return accepted


def _read(client: "Redis", ids: Sequence[str]) -> list[dict[bytes, bytes] | None]:
    """Return the hashes of jobs as far as they are of interest: None if there is none, empty if one is too large."""
    pipe: Any = client.pipeline(transaction=False)
    for job_id in ids:
        for name in _READ:
            pipe.hstrlen(hash_key(job_id), name)
    replies = pipe.execute(raise_on_error=False)
    found: list[dict[bytes, bytes] | None] = []
    for index, job_id in enumerate(ids):
        lengths = replies[index * len(_READ) : (index + 1) * len(_READ)]
        if not all(isinstance(length, int) for length in lengths) or not any(lengths):
            found.append(None)
        elif sum(lengths) > MAX_HASH_BYTES:
            found.append({})
        else:
            values: Any = client.hmget(hash_key(job_id), list(_READ))
            found.append({name: value for name, value in zip(_READ, values, strict=True) if value is not None})
    return found


def check(fields: Mapping[bytes, bytes]) -> Call:
    """Judge a job by the bytes of its hash, and resolve its function.

    Raises: Refused.
    """
    body = _body(fields.get(b"data", b""))
    if not (isinstance(body, list) and len(body) == 4):
        raise Refused("its body is not a list of function, instance, arguments and keyword arguments.")
    name, instance, args, kwargs = body
    if not isinstance(name, str) or not isinstance(args, list) or not isinstance(kwargs, dict):
        raise Refused("its body has values of wrong types.")
    if name not in get_settings().plain_rq_functions:
        raise Refused(
            f'the function {name!r:.200} is not in QUEUEHUB["PLAIN_RQ_FUNCTIONS"]. Add its exact dotted'
            " name there if jobs from Redis may call it, or make it a QueueHub task."
        )
    if instance is not None:
        raise Refused("it is a method call on an instance. Enqueue a function.")
    for field, what in _FORBIDDEN.items():
        if fields.get(field) not in _NOTHING:
            raise Refused(f"it carries {what}. Make the function a QueueHub task, or run it on a worker of RQ.")
    return Call(_resolve(name), args, kwargs)


def _body(raw: bytes) -> Any:
    unpacker = zlib.decompressobj()
    try:
        data, rest = unpacker.decompress(raw, MAX_BODY_BYTES), unpacker.unconsumed_tail
    except zlib.error:  # not compressed; RQ takes that as well
        data, rest = raw, b""
    if rest or len(data) > MAX_BODY_BYTES:
        raise Refused(f"its body is larger than {MAX_BODY_BYTES} bytes. Pass a reference instead.")
    try:
        return json.loads(data.decode())
    except (ValueError, RecursionError):
        raise Refused(
            "its body is not JSON. Enqueue it with RQ's JSON serializer"
            ' ("SERIALIZER": "rq.serializers.JSONSerializer" in RQ_QUEUES).'
        ) from None


def _resolve(name: str) -> Callable[..., Any]:
    """Import the function that the settings, not the message, allow."""
    module_name, _, attribute = name.rpartition(".")
    try:
        found = getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise Refused(f"the function {name!r} cannot be imported: {error}") from error
    own_name = f"{getattr(found, '__module__', None)}.{getattr(found, '__qualname__', None)}"
    if not isroutine(found) or own_name != name:
        raise Refused(f'{name!r} is not a function of that name but {own_name!r}. List "module.function".')
    function: Callable[..., Any] = found
    return function


def _refuse(client: "Redis", job_id: str, rq_queue: str, reason: str) -> None:
    """Put a job, unread, where RQ's tools show failed ones."""
    logger.warning("RQ job %s on %s was refused: %s", job_id, rq_queue, reason)
    text = f"QueueHub did not run this job: {reason}"
    now = datetime.now(UTC)
    unread = Job(job_id, connection=client, serializer=JSONSerializer)
    pipe = client.pipeline()
    pipe.hset(
        hash_key(job_id),
        mapping={
            "status": "failed",
            "ended_at": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "exc_info": zlib.compress(text.encode()),
        },
    )
    pipe.expire(hash_key(job_id), DEFAULT_FAILURE_TTL)
    pipe.zadd(FailedJobRegistry(rq_queue, client).key, {job_id: now.timestamp() + DEFAULT_FAILURE_TTL})
    Result.create_failure(unread, DEFAULT_FAILURE_TTL, text, pipeline=pipe)
    pipe.execute()
