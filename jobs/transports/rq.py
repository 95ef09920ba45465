"""The default transport: native RQ jobs on Redis, with django-rq's settings (RQ_QUEUES).

A ledger message's hash is written for RQ's tools and for stock RQ workers; we ourselves only push and pop
ids. An id of another form may be a plain RQ job's (rq_plain.py); anything else is dropped and counted.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from redis import Redis
from redis.exceptions import ResponseError

from jobs.errors import TransportUnavailable
from jobs.failpoints import reach
from jobs.names import NAME
from jobs.transports import rq_messages as form
from jobs.transports import rq_plain, rq_registration
from jobs.transports.base import Delivery, Message, Published, Transport
from jobs.transports.rq_connections import Connections, Server, configured_queues, is_wrong_type, speaking
from jobs.transports.rq_lists import NoBatchPop, Popped, pop, pop_in_steps, set_aside
from jobs.transports.rq_packed import command, exchange
from jobs.transports.rq_plain_run import PlainRun

logger = logging.getLogger("jobs.transports.rq")

MOST_QUEUES = 1000


class RQTransport(Transport):
    """RQ's lists on Redis 6.2 or later, or Valkey.

    `connection_limit` bounds this process's connections to one server, `timeout_seconds` every wait for it.
    """

    can_list: ClassVar[bool] = True
    can_return: ClassVar[bool] = True

    def __init__(self, connection_limit: int = 16, timeout_seconds: float = 3) -> None:
        self._connections = Connections(connection_limit, timeout_seconds)
        self._longest_block_seconds = max(timeout_seconds - 1, timeout_seconds / 2)
        self._has_batch_pop = True
        self._worker_name = ""

    def client(self, queue: str = "default") -> Server:
        """Return the Redis client on which a queue stands."""
        return self._connections.of(queue)

    def publish(self, messages: Sequence[Message], *, at_front: bool = False) -> Published:
        """Send a batch: one pipeline and round trip for each server."""
        failed: list[Message] = []
        depths: dict[str, int] = {}
        problem: TransportUnavailable | None = None
        for client, queues in self._by_server({message.queue: None for message in messages}):
            batch = [message for message in messages if message.queue in queues]
            try:
                with speaking(client):
                    failed += self._publish(client, batch, depths, at_front)
                reach("publish.sent")
            except TransportUnavailable as error:
                failed += batch
                problem = error
        if problem and len(failed) == len(messages):
            raise problem
        if failed:
            logger.warning("%d of %d messages not published: %s", len(failed), len(messages), problem or "refused")
        return Published(failed=tuple(failed), depths=depths)

    def _publish(
        self, client: "Redis", messages: list[Message], depths: dict[str, int], at_front: bool
    ) -> list[Message]:
        """Send one server's messages; add to `depths`, return the messages of the lists that refused them."""
        queues = dict.fromkeys(message.queue for message in messages)
        lists: dict[tuple[str, str], list[Message]] = {
            (queue, rq_queue): [] for queue in queues for rq_queue in form.bands(queue)
        }
        for message in messages:
            lists[message.queue, form.band(message)].append(message)
        used = [form.list_key(rq_queue) for (_, rq_queue), batch in lists.items() if batch]
        commands = [form.packed_hashes(messages), command("SADD", form.QUEUES_KEY, *used)]
        for (_, rq_queue), batch in lists.items():
            key, ids = form.list_key(rq_queue), [message.id for message in batch]
            if not ids:
                commands.append(command("LLEN", key))
            elif at_front:
                commands.append(command("LPUSH", key, *reversed(ids)))
            else:
                commands.append(command("RPUSH", key, *ids))
        last = len(lists) + 1
        replies = exchange(client, "".join(commands), 2 * len(messages) + last)[-last:]
        failed: list[Message] = []
        for ((queue, _), batch), reply in zip(lists.items(), replies[1:], strict=True):
            if isinstance(reply, Exception):
                failed += batch
            else:
                depths[queue] = depths.get(queue, 0) + reply
        if failed:
            client.delete(*(form.hash_key(message.id) for message in failed))
        if any(map(is_wrong_type, replies)):
            self._set_aside(client, [form.list_key(rq_queue) for _, rq_queue in lists])
        return failed

    def receive(self, queues: Sequence[str], limit: int, wait_seconds: float) -> list[Delivery]:
        """Pop ids; queues on several servers are asked in turn, each for its share of the wait."""
        servers = self._by_server(queues)
        deadline = time.monotonic() + wait_seconds
        while True:
            remaining = max(deadline - time.monotonic(), 0)
            share = min(remaining / max(len(servers), 1), self._longest_block_seconds)
            problem: TransportUnavailable | None = None
            for client, names in servers:
                try:
                    with speaking(client):
                        deliveries = self._receive(client, names, limit, share)
                except TransportUnavailable as error:
                    problem = error
                    continue
                if deliveries:
                    return deliveries
            if problem:
                raise problem
            if not servers or time.monotonic() >= deadline:
                return []

    def _receive(self, client: "Redis", queues: list[str], limit: int, wait_seconds: float) -> list[Delivery]:
        origins = {form.list_key(rq_queue): queue for queue in queues for rq_queue in form.bands(queue)}
        try:
            key, ids = self._pop(client, list(origins), limit, wait_seconds)
        except ResponseError as error:
            if not is_wrong_type(error):
                raise
            self._set_aside(client, list(origins))
            return []
        deliveries: list[Delivery] = []
        plain: list[str] = []
        for raw in ids:
            job_id = form.job_id_of(raw)
            if job_id:
                deliveries.append(Delivery(origins[key], job_id, raw.decode(), receipt=key))
            elif form.is_plain_id(raw):
                plain.append(raw.decode())
            else:
                self._drop(f"{raw[:80]!r} on {key}")
        if plain:
            runs = rq_plain.accept(client, plain, form.rq_queue_of(key), self._worker_name)
            self.dropped_count += len(plain) - len(runs)
            for run in runs:
                deliveries.append(Delivery(origins[key], None, run.job.id, receipt=run, plain=run.run))
        return deliveries

    def _pop(self, client: "Redis", keys: list[str], limit: int, wait_seconds: float) -> Popped:
        if self._has_batch_pop:
            try:
                return pop(client, keys, limit, wait_seconds)
            except NoBatchPop:
                self._has_batch_pop = False
        return pop_in_steps(client, keys, limit, wait_seconds)

    def settle(self, acknowledged: Iterable[Delivery], returned: Iterable[Delivery] = ()) -> None:
        """Delete the acknowledged messages' hashes, push the returned ids to the head of their lists."""
        hashes: dict[str, list[str]] = defaultdict(list)
        lists: dict[tuple[str, str], list[str]] = defaultdict(list)
        for delivery in acknowledged:
            if delivery.plain is None:
                hashes[delivery.queue].append(form.hash_key(delivery.message_id))
        for delivery in returned:
            key = delivery.receipt
            if isinstance(key, PlainRun):
                with speaking(self.client(delivery.queue)):
                    key.hand_back()
                key = form.list_key(key.job.origin)
            lists[delivery.queue, key].append(delivery.message_id)
        for client, queues in self._by_server({*hashes, *(queue for queue, _ in lists)}):
            with speaking(client):
                pipe = client.pipeline(transaction=False)
                gone = [key for queue in queues for key in hashes[queue]]
                if gone:
                    pipe.delete(*gone)
                for (queue, key), ids in lists.items():
                    if queue in queues:
                        pipe.lpush(key, *reversed(ids))
                pipe.execute()

    def depths(self, queues: Sequence[str]) -> dict[str, int]:
        """Return how many messages each queue holds, both bands together."""
        found: dict[str, int] = {}
        for client, names in self._by_server(queues):
            replies = self._ask(client, names, "LLEN")
            for name, (high, low) in zip(names, replies, strict=True):
                found[name] = (high or 0) + (low or 0)
        return found

    def list_ids(self, queue: str) -> set[str]:
        """Return the ids of all ledger messages of a queue."""
        ((high, low),) = self._ask(self.client(queue), [queue], "LRANGE", 0, -1)
        return {raw.decode() for raw in [*(high or []), *(low or [])] if form.job_id_of(raw)}

    def _ask(self, client: Server, queues: Sequence[str], verb: str, *arguments: int) -> list[tuple[Any, Any]]:
        """Send a command for both lists of each queue; None stands for a key of a wrong type."""
        keys = [form.list_key(rq_queue) for queue in queues for rq_queue in form.bands(queue)]
        with speaking(client):
            pipe: Any = client.pipeline(transaction=False)
            for key in keys:
                pipe.execute_command(verb, key, *arguments)
            replies = pipe.execute(raise_on_error=False)
            if any(map(is_wrong_type, replies)):
                self._set_aside(client, keys)
            for reply in replies:
                if isinstance(reply, Exception) and not is_wrong_type(reply):
                    raise reply
        sound = [None if isinstance(reply, Exception) else reply for reply in replies]
        return list(zip(sound[::2], sound[1::2], strict=True))

    def forget(self, message_ids: Iterable[str]) -> None:
        """Delete the hashes of messages that stand on no list."""
        keys = [form.hash_key(message_id) for message_id in message_ids]
        for client in self._connections.all() if keys else []:
            with speaking(client):
                client.delete(*keys)

    def queue_names(self) -> set[str]:
        """Return the queues of RQ_QUEUES and those that RQ knows, without the suffix of the upper band.

        Only valid names, and not more than 1,000 of them: anybody who reaches Redis can add some.
        """
        names: set[str] = set()
        for client in self._connections.all():
            with speaking(client):
                try:
                    keys: Any = client.smembers(form.QUEUES_KEY)
                except ResponseError as error:
                    if not is_wrong_type(error):
                        raise
                    self._set_aside(client, [])
                    keys = set()
            names |= {form.rq_queue_of(key.decode(errors="replace")).removesuffix(form.HIGH) for key in keys}
        valid = sorted(name for name in names if NAME.match(name))
        return {*configured_queues(), *valid[:MOST_QUEUES]}

    def register_worker(self, name: str, queues: Sequence[str], state: str) -> None:
        """Show the worker to `rq info` and django-rq for the next minute; no queues means all known ones."""
        self._worker_name = name
        for client, names in self._by_server(queues or sorted(self.queue_names())):
            with speaking(client):
                rq_registration.register(client, name, names, state)

    def unregister_worker(self, name: str, queues: Sequence[str]) -> None:
        """Take the worker out of `rq info`."""
        for client in self._connections.all():
            with speaking(client):
                rq_registration.unregister(client, name)

    def broadcast(self, channel: str, text: str) -> None:
        """Tell whoever listens to a channel of the server of "default"."""
        client = self.client()
        with speaking(client):
            client.publish(channel, text)

    def ping(self) -> float:
        """Return the seconds of the slowest server's round trip."""
        slowest = 0.0
        for client in self._connections.all():
            begun = time.monotonic()
            with speaking(client):
                client.ping()
            slowest = max(slowest, time.monotonic() - begun)
        return slowest

    def close(self) -> None:
        """Close the connections of this process; the next use opens new ones."""
        self._connections.close()

    def _by_server(self, queues: Iterable[str]) -> list[tuple[Server, list[str]]]:
        servers: dict[int, tuple[Server, list[str]]] = {}
        for queue in queues:
            client = self.client(queue)
            servers.setdefault(id(client), (client, []))[1].append(queue)
        return list(servers.values())

    def _drop(self, what: str) -> None:
        self.dropped_count += 1
        if self.dropped_count & (self.dropped_count - 1) == 0:  # powers of two: a flood must not fill the log
            logger.warning("dropped a damaged or forged message (%d so far): %s", self.dropped_count, what)

    def _set_aside(self, client: "Redis", keys: list[str]) -> None:
        self.dropped_count += set_aside(client, keys)
