"""The suite that every transport passes.

A transport's own test file imports all of it and gives three fixtures: `transport` (empty), `lose_all` (a
callable: the broker forgets every message) and `unreachable` (a transport whose broker does not answer).
"""

import threading
import time
from collections.abc import Callable, Iterable
from uuid import UUID, uuid4

import pytest

from jobs.errors import TransportUnavailable
from jobs.transports.base import Delivery, Message, Transport


def messages(count: int, queue: str = "default", priority: int = 0) -> list[Message]:
    """Return new messages in the order in which they are to be delivered."""
    return [Message(uuid4(), 1, queue, priority, "tests.tasks.nothing") for _ in range(count)]


def job_ids(batch: Iterable[Message | Delivery]) -> list[UUID | None]:
    return [item.job_id for item in batch]


def drain(transport: Transport, *queues: str) -> list[UUID | None]:
    """Receive and acknowledge until nothing is left; return the jobs in order."""
    found: list[UUID | None] = []
    while batch := transport.receive(queues or ("default",), 7, 0):
        transport.settle(batch)
        found += job_ids(batch)
    return found


def test_a_published_message_is_delivered_with_its_ids(transport: Transport) -> None:
    (message,) = messages(1)
    assert transport.publish([message]).failed == ()
    (delivery,) = transport.receive(["default"], 10, 1)
    assert (delivery.job_id, delivery.message_id, delivery.queue, delivery.plain) == (
        message.job_id,
        message.id,
        "default",
        None,
    )


def test_messages_come_in_the_order_of_publishing_and_at_most_limit_at_once(transport: Transport) -> None:
    sent = messages(10)
    transport.publish(sent)
    first, second = transport.receive(["default"], 6, 1), transport.receive(["default"], 6, 1)
    assert job_ids(first) == job_ids(sent[:6])
    assert job_ids(second) == job_ids(sent[6:])


def test_the_first_queue_with_a_message_is_served(transport: Transport) -> None:
    early, late = messages(2, "early"), messages(2, "late")
    transport.publish(late + early)
    assert job_ids(transport.receive(["empty", "early", "late"], 10, 1)) == job_ids(early)
    assert job_ids(transport.receive(["empty", "early", "late"], 10, 1)) == job_ids(late)


def test_priority_above_zero_goes_first(transport: Transport) -> None:
    normal, urgent = messages(3), messages(2, priority=5)
    transport.publish(normal + urgent)
    assert drain(transport) == job_ids(urgent + normal)


def test_messages_at_the_front_overtake_and_keep_their_order(transport: Transport) -> None:
    waiting, hurried = messages(3), messages(3)
    transport.publish(waiting)
    transport.publish(hurried, at_front=True)
    assert drain(transport) == job_ids(hurried + waiting)


def test_an_empty_queue_gives_an_empty_list_after_the_wait(transport: Transport) -> None:
    begun = time.monotonic()
    assert transport.receive(["default"], 10, 0.2) == []
    assert 0.15 < time.monotonic() - begun < 2


def test_a_waiting_receiver_wakes_up_when_a_message_comes(transport: Transport) -> None:
    sent, found = messages(1), []
    receiver = threading.Thread(target=lambda: found.extend(transport.receive(["default"], 10, 10)))
    receiver.start()
    begun = time.monotonic()
    transport.publish(sent)
    receiver.join(10)
    assert job_ids(found) == job_ids(sent)
    assert time.monotonic() - begun < 5


def test_several_receivers_share_the_messages_and_none_gets_one_twice(transport: Transport) -> None:
    sent, found = messages(200), []
    transport.publish(sent)
    receivers = [threading.Thread(target=lambda: found.extend(drain(transport))) for _ in range(4)]
    for receiver in receivers:
        receiver.start()
    for receiver in receivers:
        receiver.join(20)
    assert sorted(map(str, found)) == sorted(map(str, job_ids(sent)))


def test_returned_deliveries_come_again_first_and_in_their_order(transport: Transport) -> None:
    if not transport.can_return:
        return
    sent = messages(6) + messages(2, priority=1)
    transport.publish(sent)
    urgent, normal = transport.receive(["default"], 2, 1), transport.receive(["default"], 4, 1)
    transport.settle(normal[:1], urgent + normal[1:])
    assert drain(transport) == job_ids([*sent[6:], *sent[1:6]])


def test_acknowledging_an_old_message_leaves_the_job_s_newer_one(transport: Transport) -> None:
    (old,) = messages(1)
    new = Message(old.job_id, 2, old.queue)
    transport.publish([old])
    batch = transport.receive(["default"], 1, 1)
    transport.publish([new])
    transport.settle(batch)
    transport.forget([old.id])
    assert [delivery.message_id for delivery in transport.receive(["default"], 1, 1)] == [new.id]


def test_depths_count_every_message_that_waits(transport: Transport) -> None:
    published = transport.publish(messages(3, "a") + messages(2, "a", priority=9) + messages(1, "b"))
    assert published.depths == {"a": 5, "b": 1}
    assert transport.depths(["a", "b", "empty"]) == {"a": 5, "b": 1, "empty": 0}
    transport.settle(transport.receive(["a"], 1, 1))
    assert transport.depths(["a"]) == {"a": 4}
    assert {"a", "b"} <= transport.queue_names()


def test_the_ids_of_waiting_messages_can_be_listed(transport: Transport) -> None:
    if not transport.can_list:
        return
    sent = messages(3) + messages(2, priority=1)
    transport.publish(sent)
    assert transport.list_ids("default") == {message.id for message in sent}
    transport.settle(transport.receive(["default"], 2, 1))
    assert transport.list_ids("default") == {message.id for message in sent[:3]}


def test_lost_messages_are_gone_and_new_ones_come(transport: Transport, lose_all: Callable[[], None]) -> None:
    transport.publish(messages(5))
    batch = transport.receive(["default"], 2, 1)
    lose_all()
    transport.settle(batch[:1], batch[1:])
    sent = messages(1)
    transport.publish(sent)
    assert drain(transport) == job_ids([*batch[1:], *sent])


def test_empty_batches_change_nothing(transport: Transport) -> None:
    assert transport.publish([]).failed == ()
    transport.settle([], [])
    transport.forget([])
    assert transport.depths([]) == {}


def test_a_worker_can_be_shown_and_withdrawn(transport: Transport) -> None:
    transport.register_worker("node-1", ["default"], "idle")
    transport.register_worker("node-1", ["default"], "busy")
    transport.unregister_worker("node-1", ["default"])


def test_a_closed_transport_opens_again_by_itself(transport: Transport) -> None:
    sent = messages(1)
    transport.publish(sent)
    transport.close()
    assert drain(transport) == job_ids(sent)
    assert transport.ping() < 5


def test_a_broker_that_does_not_answer_is_unavailable_and_nothing_else(unreachable: Transport) -> None:
    (message,) = messages(1)
    delivery = Delivery("default", message.job_id, message.id, receipt=message)
    attempts: list[Callable[[], object]] = [
        lambda: unreachable.publish([message]),
        lambda: unreachable.receive(["default"], 1, 0.1),
        lambda: unreachable.settle([delivery]),
        lambda: unreachable.depths(["default"]),
        lambda: unreachable.list_ids("default"),
        lambda: unreachable.ping(),
    ]
    for attempt in attempts:
        with pytest.raises(TransportUnavailable):
            attempt()
