"""What a subscription gives to the app."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from . import codec
from .messages import ServerMessage, decode_server_message


@dataclass(frozen=True, slots=True)
class Position:
    """A position in the log of a topic. It can be stored, and used for a later subscription."""

    offset: int
    """The offset of the last received entry; 0 is before the first entry."""
    epoch: str
    """The epoch of the store that the offset belongs to."""

    @staticmethod
    def decode(value: Any) -> Position:
        """Reads JSON. Raises codec.DecodeError."""
        members = codec.members(value)
        return Position(
            codec.required(members, "offset", codec.integer),
            codec.required(members, "epoch", codec.text),
        )

    def encode(self) -> dict[str, Any]:
        """Returns it as JSON."""
        return {"offset": self.offset, "epoch": self.epoch}


@dataclass(frozen=True, slots=True)
class Gap:
    """The messages after `before`, up to and including `after`, were not delivered."""

    type: ClassVar[Literal["gap"]] = "gap"
    before: int
    """The offset of the last message before the gap."""
    after: Position
    """Where the subscription continues."""
    reason: Literal["trimmed", "epoch_changed", "slow"] | str
    """`trimmed` (older than what is kept), `epoch_changed` (confirmed messages may be lost) or `slow` (the buffer was full)."""
    service: str | None = None
    """The service; in `Client.server_subscriptions` only."""
    topic: str | None = None
    """The topic; in `Client.server_subscriptions` only."""


@dataclass(frozen=True, slots=True)
class Missed:
    """Items of `Client.server_subscriptions` were dropped, because the app reads too slowly."""

    type: ClassVar[Literal["missed"]] = "missed"
    count: int


@dataclass(frozen=True, slots=True)
class UnknownMessage:
    """A message that this version of the SDK does not know, or cannot read. `Event.raw` has its text."""

    type: str
    """The type of the message; `unreadable` if a field of it is invalid."""


Message: TypeAlias = "ServerMessage | Gap | Missed | UnknownMessage"
"""A message of the protocol, such as `Chat` and `Notification`, or one of the SDK. Ignore types that you do not know, because
later versions may add some.
"""


@dataclass(frozen=True, slots=True)
class Event:
    """One item of a subscription."""

    message: Message
    """The decoded message."""
    raw: str
    """The JSON text as the gateway sent it."""
    position: Position | None
    """The position of the subscription after this event; None if the event is no entry of a log."""


def decode_message(text: str) -> Message:
    """Returns the decoded message of an item."""
    try:
        value: Any = json.loads(text)
    except ValueError:
        return UnknownMessage("unreadable")
    kind = codec.tag(value, "type") or "unreadable"
    try:
        if kind == "gap":
            return _gap(value)
        if kind == "missed":
            return Missed(codec.required(value, "count", codec.integer))
        message = decode_server_message(value)
    except codec.DecodeError:
        return UnknownMessage(kind)
    return UnknownMessage(kind) if isinstance(message, codec.Unknown) else message


def _gap(value: dict[str, Any]) -> Gap:
    return Gap(
        before=codec.required(value, "before", codec.integer),
        after=codec.required(value, "after", Position.decode),
        reason=codec.required(value, "reason", codec.text),
        service=codec.optional(value, "service", codec.text),
        topic=codec.optional(value, "topic", codec.text),
    )
