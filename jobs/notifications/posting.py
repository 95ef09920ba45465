"""One POST to an address on the network that may be hostile: its host is resolved once, every address is checked, and
the connection goes to a checked address. No proxy, no redirect, one time limit for all, 64 KiB of the answer at most.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from jobs.errors import DeliveryFailed, PermanentError
from jobs.notifications.addresses import is_public

CONNECT_SECONDS = 5.0
"""For one address of the host."""

TOTAL_SECONDS = 20.0
"""For connections, TLS, the request and the answer together; a resolver has limits of its own."""

MOST_BYTES = 64 * 1024
"""Read of an answer, its head included."""

MOST_ADDRESSES = 8
DEFAULT_PORTS = {"http": 80, "https": 443}

Resolve = Callable[..., Sequence[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said."""

    status: int
    text: str
    """The beginning of its body."""


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, allowed_hosts: Sequence[str] = (),
    resolve: Resolve = socket.getaddrinfo, total_seconds: float = TOTAL_SECONDS,
) -> Answer:  # fmt: skip
    """Post the body and return the answer, whatever its status.

    A host in `allowed_hosts` may have any address.

    Raises: PermanentError for an address that may not be used; DeliveryFailed if the other side cannot be reached or
    does not speak HTTP.
    """
    deadline = time.monotonic() + total_seconds
    parts, host = _parts(url)
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    addresses = _checked(host, port, allowed_hosts, resolve)
    try:
        with _connected(host, addresses, port, parts.scheme == "https", deadline) as connected:
            return _exchange(connected, parts, body, headers, deadline)
    except (OSError, http.client.HTTPException, ValueError) as error:  # TimeoutError and those of TLS are OSErrors
        raise DeliveryFailed(f"{host}: {type(error).__name__}: {error}") from None


def _parts(url: str) -> tuple[SplitResult, str]:
    """Split the address, and return its host, in lower case, too."""
    try:
        if not (url.isascii() and url.isprintable()) or " " in url:
            raise ValueError("it holds characters that no address has")
        parts = urlsplit(url)
        if parts.scheme not in DEFAULT_PORTS:
            raise ValueError("only http and https are spoken")
        if not parts.hostname or parts.username is not None or parts.password is not None:
            raise ValueError("it must have a host and no user")
        if parts.port == 0:
            raise ValueError("it has no such port")
        return parts, parts.hostname.rstrip(".")
    except ValueError as error:  # a port that is no number, too
        raise PermanentError(f"the webhook's address cannot be used: {error}") from None


def _checked(host: str, port: int, allowed_hosts: Sequence[str], resolve: Resolve) -> list[str]:
    """Resolve a host once, and return its addresses if all of them may be used."""
    try:
        found = resolve(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DeliveryFailed(f"{host} cannot be resolved: {error}") from None
    addresses = list(dict.fromkeys(str(row[4][0]) for row in found))
    if not addresses:
        raise DeliveryFailed(f"{host} has no address")
    if host not in {name.lower().rstrip(".") for name in allowed_hosts}:
        for address in addresses:
            if not is_public(address):
                raise PermanentError(
                    f"{host} has the address {address}, which is not on the public Internet; "
                    'QUEUEHUB["NOTIFICATIONS"]["allowed_hosts"] may allow the host'
                )
    return addresses[:MOST_ADDRESSES]


def _connected(host: str, addresses: Sequence[str], port: int, is_tls: bool, deadline: float) -> socket.socket:
    """Connect to the first address that answers, never to a name, and prove the host by TLS."""
    failure: OSError = TimeoutError("no time is left")
    for address in addresses:
        try:
            raw = socket.create_connection((address, port), min(CONNECT_SECONDS, _left(deadline)))
        except OSError as error:
            failure = error
            continue
        raw.settimeout(_left(deadline))
        return _with_tls(raw, host) if is_tls else raw
    raise failure


def _with_tls(raw: socket.socket, host: str) -> socket.socket:
    try:
        return ssl.create_default_context().wrap_socket(raw, server_hostname=host)
    except BaseException:
        raw.close()
        raise


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("it took too long")
    return left


def _exchange(
    connected: socket.socket, parts: SplitResult, body: bytes, headers: Mapping[str, str], deadline: float
) -> Answer:
    place = parts.netloc.lower()
    connection = http.client.HTTPConnection(place)
    connection.sock = _Bounded(connected, deadline)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("POST", path, body, {"Host": place, "Connection": "close", **headers})
    response = connection.getresponse()
    try:
        text = response.read()
    except http.client.IncompleteRead as error:  # cut at MOST_BYTES, or by the other side
        text = error.partial
    except OSError:  # the status is what counts, and it is known
        text = b""
    return Answer(response.status, text.decode(errors="replace"))


class _Bounded:
    """A socket for http.client that keeps a deadline however slowly bytes drip, and ends after MOST_BYTES."""

    def __init__(self, raw: socket.socket, deadline: float) -> None:
        self._raw, self._deadline = raw, deadline

    def sendall(self, data: Any) -> None:
        self._raw.settimeout(_left(self._deadline))
        self._raw.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Input(self._raw, self._deadline))

    def close(self) -> None:
        """Do nothing: http.client closes before the body is read, and the socket's owner closes in the end."""


class _Input(io.RawIOBase):
    def __init__(self, raw: socket.socket, deadline: float) -> None:
        self._raw, self._deadline, self._left_count = raw, deadline, MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._raw.settimeout(_left(self._deadline))
        count = self._raw.recv_into(buffer, min(len(buffer), self._left_count)) if self._left_count else 0
        self._left_count -= count
        return count
