"""The state of the connection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from .errors import GatewayError
from .messages import Connected

Status: TypeAlias = Literal["idle", "connecting", "online", "reconnecting", "replaced", "unauthorized", "failed", "closed"] | str
"""The state in a word. Later versions may add words.

- `idle`: the app has made no request yet.
- `connecting`: the first connection is being made.
- `online`: commands reach the gateway. With an `error` the token could not be renewed, and the session ends with it.
- `reconnecting`: the connection is lost or could not be made. The SDK tries again by itself.
- `replaced`: another session took the place of this one. `Client.connect` takes it back.
- `unauthorized`: the token was refused, and a fresh one too, or the user is signed out. `Client.connect` tries again.
- `failed`: the client has ended for another reason, which `error` names. `Client.connect` tries again.
- `closed`: the app closed the client.
"""

FINAL = frozenset(["replaced", "unauthorized", "failed", "closed"])
"""The states in which the client makes no attempt by itself: calls are refused, and subscriptions wait."""


@dataclass(frozen=True, slots=True)
class State:
    """The state of the connection."""

    status: Status
    """The state in a word."""
    session: Connected | None = None
    """The user, the limits and the features, while there is a connection."""
    error: GatewayError | None = None
    """The last error, if there was one since the client was online."""
    next_attempt: datetime | None = None
    """When the next attempt is made, while the client waits for it, with a time zone."""
