"""Requests as an attacker writes them: any method, path, header and body, and no redirect is followed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit


@dataclass(frozen=True)
class Answer:
    """What the server said; names of headers in lower case, of one that comes twice both values by lines."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


def ask(
    server: str,
    path: str,
    *,
    method: str = "GET",
    session: str = "",
    form: Mapping[str, str] | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request to `server` ("http://host:port") and return the answer.

    `session` becomes the session's cookie. A `form` is sent with a CSRF token as its page would have, so that nothing
    but the server's own judgement is in the way.
    """
    sent = dict(headers or {})
    cookies = [f"sessionid={session}"] if session else []
    if form is not None:
        token = "t" * 32
        cookies.append(f"csrftoken={token}")
        body = urlencode({**form, "csrfmiddlewaretoken": token}).encode()
        sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        method = "POST"
    if cookies:
        sent["Cookie"] = "; ".join(cookies)
    connection = HTTPConnection(urlsplit(server).netloc, timeout=20)
    try:
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        names = {name.lower() for name, _ in answer.getheaders()}
        received = {name: "\n".join(answer.headers.get_all(name, [])) for name in names}
        return Answer(answer.status, received, answer.read())
    finally:
        connection.close()
