"""A topic of a declared service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import calls, codec
from .errors import GatewayError
from .events import Position
from .messages import MessageSent, PublishAccepted, TopicHistory, TopicPresence, decode_server_message
from .subscription import Subscription

if TYPE_CHECKING:
    from .engine import Engine


class Topic:
    """A topic of a declared service. `gateway codegen --lang python` writes one with the types of its contract."""

    __slots__ = ("_engine", "name", "service")

    def __init__(self, engine: Engine, service: str, name: str) -> None:
        self._engine = engine
        self.service = service
        self.name = name

    def subscribe(
        self,
        *,
        history: int = 0,
        position: Position | None = None,
        presence: bool = False,
        presence_data: Any = None,
    ) -> Subscription:
        """Returns a subscription to the events, which begins with `async with` or `await`.

        `presence_data` is what others see of the user: at most 1 KiB of JSON. Messages are `TopicMessage` (`EphemeralEvent` in a
        topic without history), `Gap`, and with presence `TopicPresence` and `TopicPresenceChanged`.
        """
        fields = calls.without_none(
            service=self.service,
            topic=self.name,
            history=history or None,
            recover=None if position is None else position.encode(),
            presence=presence or None,
            presenceData=presence_data,
        )
        return Subscription(self._engine, "subscribe", fields)

    async def publish(
        self, data: Any, *, client_message_id: str | None = None, timeout: float | None = None
    ) -> MessageSent | PublishAccepted:
        """Publishes JSON, and waits until it is stored, or accepted in a topic without history. It is repeated after a lost
        connection if necessary, and stored once.
        """
        message_id = calls.new_id() if client_message_id is None else client_message_id
        fields = {"service": self.service, "topic": self.name, "data": data, "clientMessageId": message_id}
        try:
            return await calls.reply(self._engine, "publish", fields, timeout, _receipt)
        except GatewayError as error:
            error.client_message_id = message_id
            raise

    async def history(
        self,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> TopicHistory:
        """Returns a page of the history in ascending order of offsets: the newest events, or those before or after an offset.
        `limit` is 1 to 100, 50 by default.
        """
        fields = calls.without_none(service=self.service, topic=self.name, before=before, after=after, limit=limit)
        return await calls.reply(self._engine, "topic_history", fields, timeout, TopicHistory.decode)

    async def presence(self, *, timeout: float | None = None) -> TopicPresence:
        """Returns the users who are present, with the data that each of them shows."""
        fields = {"service": self.service, "topic": self.name}
        return await calls.reply(self._engine, "topic_presence", fields, timeout, TopicPresence.decode)


def _receipt(value: Any) -> MessageSent | PublishAccepted:
    message = decode_server_message(value)
    if isinstance(message, MessageSent | PublishAccepted):
        return message
    raise codec.DecodeError("type", "is no receipt")
