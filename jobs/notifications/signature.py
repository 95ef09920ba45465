"""The signature of a post, by the Standard Webhooks specification, for which every language has a library."""

import base64
import hashlib
import hmac

PREFIX = "whsec_"


def signed_headers(delivery_id: str, sent_unix: int, body: bytes, secret: str) -> dict[str, str]:
    """Return the headers that say which delivery this is, when it was sent, and who has sent it.

    The id stays the same when a delivery is tried again, the time and the signature do not.
    """
    content = b".".join((delivery_id.encode(), str(sent_unix).encode(), body))
    digest = hmac.new(_key(secret), content, hashlib.sha256).digest()
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(sent_unix),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _key(secret: str) -> bytes:
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except ValueError:
            pass  # a secret that only looks like the specification's
    return secret.encode()
