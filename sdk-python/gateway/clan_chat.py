"""The chat of a clan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from . import calls
from .errors import GatewayError
from .events import Position
from .messages import ChatHistory, MessageSent, Presence
from .subscription import Subscription

if TYPE_CHECKING:
    from .engine import Engine


class ClanChat:
    """The chat of a clan."""

    __slots__ = ("_engine", "clan_id")

    def __init__(self, engine: Engine, clan_id: str) -> None:
        self._engine = engine
        self.clan_id = clan_id

    def subscribe(self, *, history: int = 0, position: Position | None = None, presence: bool = False) -> Subscription:
        """Returns a subscription to the messages, which begins with `async with` or `await`.

        `history` is the number of past messages to begin with, 0 to 100. `position` continues after an earlier subscription.
        `presence` adds messages about users who become present or leave. Messages are `Chat`, `ChatDeleted`, `Typing`, `Gap`,
        and with presence `Presence` and `PresenceChanged`.
        """
        fields = calls.without_none(
            clanId=self.clan_id,
            history=history or None,
            recover=None if position is None else position.encode(),
            presence=presence or None,
        )
        return Subscription(self._engine, "subscribe_clan_chat", fields)

    async def send(
        self,
        content: str,
        *,
        message_type: Literal["TEXT", "IMAGE", "FILE"] | None = None,
        data: dict[str, Any] | None = None,
        client_message_id: str | None = None,
        timeout: float | None = None,
    ) -> MessageSent:
        """Sends a message, and waits until it is stored. It is repeated after a lost connection if necessary, and stored once.

        `data` has replies, mentions, attachments: at most 8 KiB of JSON. `client_message_id` makes repeating safe, and comes back
        in `Chat.client_message_id`; one is made by default, and an error has it.
        """
        message_id = calls.new_id() if client_message_id is None else client_message_id
        fields = calls.without_none(
            clanId=self.clan_id, content=content, messageType=message_type, data=data, clientMessageId=message_id
        )
        try:
            return await calls.reply(self._engine, "chat", fields, timeout, MessageSent.decode)
        except GatewayError as error:
            error.client_message_id = message_id
            raise

    def set_typing(self, is_typing: bool) -> None:
        """Reports that the user types or has stopped. It may be called for every key: the SDK limits what is sent. It is not
        confirmed.
        """
        self._engine.guard.enter()
        fields = {"clanId": self.clan_id, "isTyping": is_typing}
        calls.begin(self._engine, "call", "typing", fields, None, None)

    async def history(
        self,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> ChatHistory:
        """Returns a page of the history in ascending order of offsets: the newest messages, or those before or after an offset.
        `limit` is 1 to 100, 50 by default.
        """
        fields = calls.without_none(clanId=self.clan_id, before=before, after=after, limit=limit)
        return await calls.reply(self._engine, "chat_history", fields, timeout, ChatHistory.decode)

    async def presence(self, *, timeout: float | None = None) -> Presence:
        """Returns the users who are present."""
        return await calls.reply(self._engine, "presence", {"clanId": self.clan_id}, timeout, Presence.decode)
