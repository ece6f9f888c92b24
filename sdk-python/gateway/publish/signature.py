"""Verifies the requests that the gateway sends to a backend. They are signed as Standard Webhooks defines it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Iterable
from typing import Literal, Protocol

from ..errors import invalid

TOLERANCE = 300
"""How many seconds the time of a signature may be from the clock of the backend."""


class Headers(Protocol):
    """The headers of a request, as a dictionary has them, and as the web frameworks do."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Returns the names, in any case, and the values."""
        ...


class SignatureError(ValueError):
    """A request that the gateway did not send. Answer 401. The code is `signature` for a wrong signature, and `time` for one that
    was made too long ago or in the future: the request may be a copy of an earlier one.
    """

    def __init__(self, code: Literal["signature", "time"], message: str) -> None:
        super().__init__(message)
        self.code: Literal["signature", "time"] = code

    def __reduce__(self) -> tuple[type[SignatureError], tuple[Literal["signature", "time"], str]]:
        return SignatureError, (self.code, str(self))


class Verifier:
    """Verifies webhooks, calls, and questions about topics."""

    def __init__(self, *secrets: str) -> None:
        """Takes the secrets of the gateway's `secret_file`: `whsec_` and base64. With two of them, a secret can be replaced
        without a gap. Raises InvalidError.
        """
        if not secrets:
            raise invalid("secrets: at least one is needed")
        self._keys = [_key(number, secret) for number, secret in enumerate(secrets, 1)]

    def verify(self, headers: Headers, body: bytes | str, *, now: float | None = None) -> None:
        """Raises SignatureError unless the gateway has signed the body, at most `TOLERANCE` from now. Parse the body only then.

        `body` is what was received, not what was parsed and written again. `now` is in seconds, as `time.time` has it, which is
        the default.
        """
        found: dict[str, str] = {}
        for name, value in headers.items():
            found.setdefault(name.lower(), value)
        message_id, timestamp = found.get("webhook-id", ""), found.get("webhook-timestamp", "")
        received = body.encode() if isinstance(body, str) else bytes(body)
        content = f"{message_id}.{timestamp}.".encode(errors="replace") + received
        expected = [hmac.digest(key, content, hashlib.sha256) for key in self._keys]
        is_valid = False
        for signature in found.get("webhook-signature", "").split(" "):
            own = _decoded(signature[3:]) if signature.startswith("v1,") else b""
            for other in expected:
                # It takes the same time wherever the signatures differ.
                is_valid = hmac.compare_digest(own, other) or is_valid
        if not is_valid or not message_id or not re.fullmatch("[0-9]{1,15}", timestamp):
            raise SignatureError("signature", "the request has no valid signature")
        # After the signature, so that the error is about a request of the gateway.
        if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE:
            raise SignatureError("time", "the time of the signature is not now")


def _key(number: int, secret: object) -> bytes:
    text = secret.strip() if isinstance(secret, str) else ""
    key = _decoded(text[6:]) if text.startswith("whsec_") else b""
    if not key:
        # The error must not show the secret.
        raise invalid(f"secrets: the secret {number} is not whsec_ and base64")
    return key


def _decoded(text: str) -> bytes:
    """Returns the bytes of base64; none if it is something else."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
