"""What we pack ourselves is what redis-py would send, and means the same to the server."""

import pytest
import redis
from redis._parsers import Encoder
from redis.connection import PythonRespSerializer
from redis.exceptions import ResponseError

from jobs.transports.rq import RQTransport
from jobs.transports.rq_packed import command, exchange


@pytest.mark.fast
@pytest.mark.parametrize("arguments", [("LLEN", "key"), ("SADD", "ключ", "ü", 5, ""), ("SET", "a b", "\r\n$5\r\n")])
def test_a_command_is_packed_as_redis_py_packs_it(arguments: tuple[str | int, ...]) -> None:
    theirs = PythonRespSerializer(6000, Encoder("utf-8", "strict", False).encode).pack(*arguments)
    assert command(*arguments).encode() == b"".join(theirs)


def test_replies_come_in_order_and_refusals_among_them(rq_transport: RQTransport, redis_client: redis.Redis) -> None:
    commands = [command("SET", "key", "ü" * 200_000), command("LLEN", "key"), command("STRLEN", "key")]
    ok, refused, length = exchange(rq_transport.client(), "".join(commands), len(commands))
    assert ok in (b"OK", True)
    assert isinstance(refused, ResponseError)
    assert length == 400_000
