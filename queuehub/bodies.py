"""A limit on the bodies of requests, for ASGI: Django itself writes a body to disk, however large, before it looks."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

ANSWER = b"The request is too large."
HEADERS = [
    (b"content-type", b"text/plain"),
    (b"content-length", str(len(ANSWER)).encode()),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"connection", b"close"),
]


class BodyLimit:
    """Answers 413 to a request whose body is larger than `limit_bytes`, announced or not."""

    def __init__(self, application: Application, limit_bytes: int) -> None:
        self.application, self.limit_bytes = application, limit_bytes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if int(announced) > self.limit_bytes:
            await _refuse(send)
            return
        received_bytes, is_refused = 0, False

        async def count() -> Message:
            nonlocal received_bytes, is_refused
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > self.limit_bytes and not is_refused:
                is_refused = True
                await _refuse(send)
            # the application gives up, as if the browser had gone
            return {"type": "http.disconnect"} if is_refused else message

        async def answer(message: Message) -> None:
            if not is_refused:
                await send(message)

        await self.application(scope, count, answer)


async def _refuse(send: Send) -> None:
    await send({"type": "http.response.start", "status": 413, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})
