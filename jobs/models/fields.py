"""Column defaults that live in the database, so that a plain SQL INSERT makes a legal row."""

import json
from typing import Any
from uuid import UUID

import uuid_utils.compat
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.compiler import SQLCompiler


def uuid7() -> UUID:
    """Return a fresh UUIDv7 (RFC 9562): its order is the order of creation."""
    return uuid_utils.compat.uuid7()


class DatabaseUUID7(models.Func):
    """A UUIDv7 made by the database, for rows inserted by plain SQL."""

    arity = 0
    output_field = models.UUIDField()

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, list[Any]]:
        # 48 bits of Unix milliseconds over the front of a random v4, then the version nibble from 4 to 7
        milliseconds = "int8send((extract(epoch from clock_timestamp()) * 1000)::bigint)"
        return (
            "encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())"
            f" placing substring({milliseconds} from 3) from 1 for 6), 52, 1), 53, 1), 'hex')::uuid"
        ), []

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        return (
            "lower(printf('%%012x', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))"
            " || '7' || substr(hex(randomblob(2)), 1, 3) || '8' || substr(hex(randomblob(8)), 1, 15))"
        ), ()


def json_default(text: str) -> models.Value:
    """Return a database default of this JSON text (`"[]"` or `"{}"`)."""
    return models.Value(json.loads(text), models.JSONField())
