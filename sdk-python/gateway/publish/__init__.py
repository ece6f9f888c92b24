"""For backends: publishes notifications, chat messages and events of declared services over the HTTP API of the gateway, and
verifies the requests that the gateway sends to a backend. It loads neither the core of the SDK nor a library for WebSockets.

`Client` is for asyncio, and `SyncClient` for programs without an event loop. Every request has an idempotency key, which is made
if the app gives none. So requests are repeated after a failure, and stored once. Only events of topics without history may arrive
twice.
"""

from __future__ import annotations

from .api import (
    MessageAccepted,
    NotificationsAccepted,
    PostMessage,
    PostMessageMessageType,
    Problem,
    PublishEvent,
    SendNotification,
)
from .client import Client, SyncClient
from .error import PublishError
from .exchange import HttpAnswer, HttpRequest, Transport
from .signature import TOLERANCE, SignatureError, Verifier

__all__ = [
    "TOLERANCE",
    "Client",
    "HttpAnswer",
    "HttpRequest",
    "MessageAccepted",
    "NotificationsAccepted",
    "PostMessage",
    "PostMessageMessageType",
    "Problem",
    "PublishError",
    "PublishEvent",
    "SendNotification",
    "SignatureError",
    "SyncClient",
    "Transport",
    "Verifier",
]
