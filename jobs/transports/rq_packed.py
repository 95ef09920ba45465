"""Commands to Redis that we pack ourselves: many in one request, of which most is the same from command to command.

redis-py packs each argument of each command anew, which cost a batch of messages more than its INSERT.
"""

from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

Argument = str | int
"""What a Redis command is made of."""

_PIECE_BYTES = 65536
"""Sent at a time: the connection's time-out is for each piece, not for a whole batch on a slow network."""


def bulk(*arguments: Argument) -> str:
    """Return arguments in Redis' protocol."""
    texts = [str(argument) for argument in arguments]
    return "".join([f"${len(text) if text.isascii() else len(text.encode())}\r\n{text}\r\n" for text in texts])


def command(*arguments: Argument) -> str:
    """Return one command in Redis' protocol."""
    return f"*{len(arguments)}\r\n{bulk(*arguments)}"


def exchange(client: "Redis", commands: str, count: int) -> list[Any]:
    """Send `count` packed commands in one round trip and return their replies; a refusal is an exception among them.

    Raises: redis-py's errors.
    """
    request = commands.encode()
    pool = client.connection_pool
    connection: Any = pool.get_connection()
    replies: list[Any] = []
    try:
        connection.send_packed_command([request[at : at + _PIECE_BYTES] for at in range(0, len(request), _PIECE_BYTES)])
        for _ in range(count):
            try:
                replies.append(connection.read_response())
            except ResponseError as error:
                replies.append(error)
    except BaseException:
        connection.disconnect()  # a reply that is still to come must not answer the next request
        raise
    finally:
        pool.release(connection)
    return replies
