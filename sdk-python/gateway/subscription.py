"""A subscription of the app."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .errors import GatewayError
from .events import Event, Position
from .stream import Stream, is_closed_by_app

if TYPE_CHECKING:
    from .engine import Engine


class Subscription:
    """One subscription of the app. It continues after a lost connection: each message comes once and in order, or there is a
    `Gap`.

        async with client.clan_chat("wolves").subscribe(history=10) as events:
            async for event in events:
                match event.message:
                    case Chat() as chat:
                        print(chat.content)

    Entering it, or awaiting it, subscribes and waits for the gateway's confirmation. Leaving it unsubscribes. The loop ends
    when the app closes the subscription or the client. It raises `GatewayError` when the gateway ends the subscription.
    """

    def __init__(self, engine: Engine, command: str, fields: dict[str, Any]) -> None:
        self._stream = Stream(engine, command, fields)

    def __await__(self) -> Generator[Any, None, Subscription]:
        return self._opened().__await__()

    async def _opened(self) -> Subscription:
        await self._stream.open()
        return self

    async def __aenter__(self) -> Subscription:
        return await self._opened()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event:
        try:
            return await self.next()
        except GatewayError as error:
            if is_closed_by_app(error):
                raise StopAsyncIteration from None
            raise

    async def next(self) -> Event:
        """Waits for the next event. If this is cancelled, only the waiting ends, and no event is lost. After `close` the error
        is a `ClosedError`.
        """
        await self._stream.open()
        return await self._stream.next()

    @property
    def position(self) -> Position | None:
        """The position of the last event that was read, or where the subscription began. None if it has none, as for
        notifications.
        """
        return self._stream.position

    def close(self) -> None:
        """Unsubscribes. A second call does nothing."""
        self._stream.leave()

    def __del__(self) -> None:
        # An error of the constructor leaves none.
        stream = getattr(self, "_stream", None)
        if stream is not None:
            stream.leave_from_anywhere()
