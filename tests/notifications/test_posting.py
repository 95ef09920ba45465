"""A post to a hostile network: no address inside, no second look-up, no redirect, no endless answer."""

import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from jobs.errors import DeliveryFailed, PermanentError
from jobs.notifications.posting import MOST_BYTES, Answer, post
from tests.notifications.receiver import Receiver, receiving

pytestmark = [pytest.mark.fast, pytest.mark.security]


class Resolver:
    """Stands for a name server: what it says at each look-up, in turn; and how often it was asked."""

    def __init__(self, *said: list[str]) -> None:
        self.said, self.asked = said, 0

    def __call__(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        self.asked += 1
        addresses = self.said[min(self.asked, len(self.said)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]


def post_to(receiver: Receiver, url: str = "", **options: Any) -> Answer:
    return post(url or receiver.url, b"{}", {}, **{"allowed_hosts": ["127.0.0.1", "hooks.example"], **options})


@pytest.mark.lingers
@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:{}/", "http://localhost:{}/", "http://LOCALHOST.:{}/", "http://127.1:{}/", "http://0x7f000001:{}/",
     "http://2130706433:{}/", "http://[::ffff:127.0.0.1]:{}/", "http://0:{}/", "http://[::ffff:7f00:1]:{}/"],
)  # fmt: skip
def test_no_way_to_write_this_machine_reaches_it(receiver: Receiver, url: str) -> None:
    with pytest.raises(PermanentError, match="not on the public Internet"):
        post_to(receiver, url.format(receiver.port), allowed_hosts=["hooks.example"])
    assert receiver.posts == []


@pytest.mark.parametrize(
    "url",
    ["ftp://hooks.example/", "file:///etc/passwd", "gopher://hooks.example/", "//hooks.example/", "hooks.example", "",
     "http://", "http:///path", "http://user:word@hooks.example/", "http://@hooks.example/",
     "http://hooks.example:99999/", "http://hooks.example:0/", "http://hooks.example:x/",
     "http://hooks.example/\r\nX-Injected: 1", "http://hooks.example/ x",
     "http://hooks.ex\tample/", "http://hööks.example/", "http://[::1/"],
)  # fmt: skip
def test_an_address_that_is_none_of_http_is_refused_before_any_look_up(url: str) -> None:
    resolver = Resolver(["93.184.216.34"])
    with pytest.raises(PermanentError, match="cannot be used"):
        post(url, b"{}", {}, resolve=resolver)
    assert resolver.asked == 0


def test_one_address_inside_among_good_ones_is_enough_to_refuse() -> None:
    with pytest.raises(PermanentError, match=r"10\.0\.0\.1"):
        post("http://hooks.example/", b"{}", {}, resolve=Resolver(["93.184.216.34", "10.0.0.1"]))


def test_the_connection_goes_to_the_address_that_was_checked_without_another_look_up(receiver: Receiver) -> None:
    resolver = Resolver(["127.0.0.1"], ["192.0.2.1"])  # the second answer would lead nowhere
    answer = post_to(receiver, f"http://hooks.example:{receiver.port}/a?b=c", resolve=resolver)
    assert (answer.status, resolver.asked) == (204, 1)
    (got,) = receiver.posts
    assert (got.path, got.headers["host"]) == ("/a?b=c", f"hooks.example:{receiver.port}")


def test_a_name_that_turns_inside_after_the_check_is_not_followed(receiver: Receiver) -> None:
    resolver = Resolver(["93.184.216.34"], ["127.0.0.1"])
    began = time.monotonic()
    with pytest.raises(DeliveryFailed):
        post(f"http://hooks.example:{receiver.port}/", b"{}", {}, resolve=resolver, total_seconds=0.3)
    assert (resolver.asked, receiver.posts) == (1, [])
    assert time.monotonic() - began < 5


def test_the_next_address_is_tried_if_one_does_not_answer(receiver: Receiver) -> None:
    resolver = Resolver(["127.0.0.2", "127.0.0.1"])
    assert post_to(receiver, f"http://hooks.example:{receiver.port}/", resolve=resolver).status == 204


def test_only_the_very_host_is_allowed(receiver: Receiver) -> None:
    for host in ("x.hooks.example", "hooks.example.org", "ooks.example"):
        with pytest.raises(PermanentError):
            post_to(receiver, f"http://{host}:{receiver.port}/", resolve=Resolver(["127.0.0.1"]))
    assert post_to(receiver, f"http://Hooks.Example.:{receiver.port}/", resolve=Resolver(["127.0.0.1"])).status == 204


def test_a_redirect_is_an_answer_and_not_followed(receiver: Receiver) -> None:
    receiver.status, receiver.headers = 307, {"Location": f"http://127.0.0.1:{receiver.port}/inside"}
    assert post_to(receiver).status == 307
    assert len(receiver.posts) == 1


def test_a_proxy_of_the_environment_is_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://192.0.2.1:9")
    assert post_to(receiver).status == 204


def test_names_that_cannot_be_resolved_may_be_another_time() -> None:
    def away(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        raise socket.gaierror("Temporary failure in name resolution")

    for resolve in (away, Resolver([])):
        with pytest.raises(DeliveryFailed):
            post("http://hooks.example/", b"{}", {}, resolve=resolve)


def test_an_answer_without_end_is_read_to_64_kib_only(receiver: Receiver) -> None:
    receiver.status, receiver.body = 200, b"x" * (MOST_BYTES * 20)
    answer = post_to(receiver)
    assert answer.status == 200
    assert MOST_BYTES - 1000 < len(answer.text) < MOST_BYTES


@contextmanager
def saying(*parts: bytes, pause_seconds: float = 0) -> Iterator[Receiver]:
    """A server that sends these bytes with pauses, whatever it is asked."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connected, _ = server.accept()
        with connected:
            connected.recv(65536)
            try:
                for part in parts:
                    connected.sendall(part)
                    time.sleep(pause_seconds)
            except OSError:
                return  # the other side has had enough

    thread = Thread(target=serve)
    thread.start()
    try:
        yield Receiver(port=server.getsockname()[1])
    finally:
        thread.join()
        server.close()


@pytest.mark.lingers
@pytest.mark.parametrize("parts", [[b"H"] * 40, [b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 40]])
def test_a_head_that_drips_is_given_up_in_time(parts: list[bytes]) -> None:
    with saying(*parts, pause_seconds=0.05) as receiver:
        began = time.monotonic()
        with pytest.raises(DeliveryFailed, match="TimeoutError"):
            post_to(receiver, total_seconds=0.3)
        assert time.monotonic() - began < 1.5


@pytest.mark.lingers
def test_a_body_that_drips_does_not_undo_the_status() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    with saying(head, *[b"x"] * 40, pause_seconds=0.05) as receiver:
        assert post_to(receiver, total_seconds=0.4).status == 200


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc\r\n\r\n", b"X" * 200_000,
                                  b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 30_000])  # fmt: skip
def test_what_is_not_http_is_an_error_of_the_other_side(said: bytes) -> None:
    with saying(said) as receiver, pytest.raises(DeliveryFailed):
        post_to(receiver)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for hooks.example, with its key, signed by itself."""
    path: Path = tmp_path_factory.mktemp("tls") / "hooks.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
               "-days", "2", "-subj", "/CN=hooks.example", "-addext", "subjectAltName=DNS:hooks.example"]  # fmt: skip
    subprocess.run([*command, "-keyout", path, "-out", path.with_suffix(".crt")], check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return path


@pytest.fixture
def tls_receiver(certificate: Path) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with receiving(context) as made:
        yield made


def test_the_certificate_must_be_that_of_the_host_not_of_the_address(
    tls_receiver: Receiver, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
    resolver = Resolver(["127.0.0.1"])
    answer = post_to(tls_receiver, f"https://hooks.example:{tls_receiver.port}/", resolve=resolver)
    assert (answer.status, len(tls_receiver.posts)) == (204, 1)
    other: dict[str, Any] = {"resolve": resolver, "allowed_hosts": ["other.example"]}
    with pytest.raises(DeliveryFailed, match="CERTIFICATE_VERIFY_FAILED"):
        post_to(tls_receiver, f"https://other.example:{tls_receiver.port}/", **other)
    assert len(tls_receiver.posts) == 1


def test_a_certificate_that_nobody_signed_is_refused(tls_receiver: Receiver) -> None:
    with pytest.raises(DeliveryFailed, match="CERTIFICATE_VERIFY_FAILED"):
        post_to(tls_receiver, f"https://hooks.example:{tls_receiver.port}/", resolve=Resolver(["127.0.0.1"]))
    assert tls_receiver.posts == []
