"""What a subscription consists of. The engine refers to it, and not to the subscription, so that a forgotten subscription can be
collected and left.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from . import wire
from .errors import ClosedError, GatewayError, closed_subscription, copy_of, invalid
from .events import Event, Position, decode_message

if TYPE_CHECKING:
    from .engine import Engine


class Stream:
    """One stream of the core."""

    def __init__(self, engine: Engine, command: str, fields: dict[str, Any]) -> None:
        self._engine = engine
        self._command = command
        self._fields = fields
        self._number = 0
        self._settled = asyncio.Event()
        self.signal = asyncio.Event()
        """Set if there may be something to take, or the stream has ended."""
        self.position: Position | None = None
        self._is_confirmed = False
        self._is_left = False
        self._end: GatewayError | None = None

    async def open(self) -> None:
        """Subscribes, and waits until the gateway has confirmed it. A second call waits for the same."""
        self._engine.guard.enter()
        if self._number == 0 and not self._is_left:
            self._begin()
        try:
            await self._settled.wait()
        except asyncio.CancelledError:
            if not self._is_confirmed:
                self.leave()
            raise
        if not self._is_confirmed:
            error = self._error()
            self.leave()
            raise error

    def _begin(self) -> None:
        engine = self._engine
        try:
            body = wire.fields(self._fields)
            number = engine.next_number()
            head = {"type": "subscribe", "stream": number, "command": self._command, "buffer": engine.options.buffer}
            text = wire.compose(head, body)
        except (TypeError, ValueError, RecursionError) as error:
            raise invalid(f"{self._command}: {error}") from error
        self._number = number
        engine.streams[number] = self
        try:
            engine.handle(text)
        except GatewayError:
            engine.streams.pop(number, None)
            self._number = 0
            raise

    async def next(self) -> Event:
        """Waits for the next event."""
        while True:
            event = self._take()
            if event is not None:
                return event
            self.signal.clear()
            await self.signal.wait()

    def _take(self) -> Event | None:
        """Returns the next event, or None if there is none yet. Raises the error with which the stream has ended."""
        if self._is_left:
            raise self._error()
        item = self._engine.take(self._number) if self._engine.streams.get(self._number) is self else None
        if item is not None:
            head, body = item
            members = head.get("position")
            position = None if members is None else Position.decode(members)
            if position is not None:
                self.position = position
            return Event(decode_message(body), body, position)
        if self._end is not None:
            self.leave()
            raise self._error()
        return None

    def _error(self) -> GatewayError:
        return closed_subscription() if self._end is None else copy_of(self._end)

    def subscribed(self, position: Position | None, error: GatewayError | None) -> None:
        """Takes note that the gateway has confirmed or refused the subscription."""
        if error is not None:
            self.end_with(error)
            return
        if self.position is None:
            self.position = position
        self._is_confirmed = True
        self._settled.set()

    def end_with(self, error: GatewayError) -> None:
        """Takes note that the stream has ended. Items that it still holds can be taken."""
        if self._end is None and not self._is_left:
            self._end = error
            self.signal.set()
            self._settled.set()

    def leave(self) -> None:
        """Unsubscribes. A second call does nothing."""
        if self._is_left:
            return
        self._is_left = True
        self.signal.set()
        self._settled.set()
        if self._engine.streams.get(self._number) is self:
            del self._engine.streams[self._number]
            self._engine.report({"type": "leave", "stream": self._number})

    def leave_from_anywhere(self) -> None:
        """Unsubscribes from a thread that is not that of the loop, for a subscription that the app has forgotten."""
        loop = self._engine.guard.loop
        if self._number and not self._is_left and loop is not None and self._engine.guard.is_here():
            try:
                loop.call_soon_threadsafe(self.leave)
            except RuntimeError:
                # The loop has just ended, and the connection with it.
                return


def is_closed_by_app(error: GatewayError) -> bool:
    """Returns whether an error is the end that the app has asked for."""
    return isinstance(error, ClosedError) and (error.close_code is None or error.close_code <= 1000)
