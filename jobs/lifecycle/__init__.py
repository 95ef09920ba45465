"""The only writer of `Job.state`: named verbs, each ending in guarded UPDATEs over a batch.

A job's way through these files: insert → publishing → claim → (the executor) → settle; release brings it back from a
worker that gives it up or dies, due moves it on when its time comes, operate is what people do.
"""

from jobs.lifecycle.claim import claim, claim_stale, claim_waiting, suspects_among, waiting_queues
from jobs.lifecycle.counting import count, count_messages
from jobs.lifecycle.insert import insert
from jobs.lifecycle.publishing import (
    announce_again,
    paused_queues,
    take_lost,
    take_unpublished,
    unpublish,
    unpublish_queue,
)
from jobs.lifecycle.release import Remains, leave, lose_worker, release, republish
from jobs.lifecycle.settle import drop_connection, is_ledger_away, settle
from jobs.lifecycle.workers import announce_stop, cancel_requests, claims_of, enrol, heartbeat, record_progress

__all__ = [
    "Remains",
    "announce_again",
    "announce_stop",
    "cancel_requests",
    "claim",
    "claim_stale",
    "claim_waiting",
    "claims_of",
    "count",
    "count_messages",
    "drop_connection",
    "enrol",
    "heartbeat",
    "insert",
    "is_ledger_away",
    "leave",
    "lose_worker",
    "paused_queues",
    "record_progress",
    "release",
    "republish",
    "settle",
    "suspects_among",
    "take_lost",
    "take_unpublished",
    "unpublish",
    "unpublish_queue",
    "waiting_queues",
]
