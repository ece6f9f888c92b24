"""The notifications of the user."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from . import calls
from .subscription import Subscription

if TYPE_CHECKING:
    from .engine import Engine


class Notifications:
    """The notifications of the user."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def subscribe(self) -> Subscription:
        """Returns a subscription to the notifications, which begins with all that wait for an acknowledgement. Messages are
        `Notification`, and `NotificationAcked` when one was acknowledged, also elsewhere.
        """
        return Subscription(self._engine, "subscribe_notifications", {})

    async def ack(self, *ids: str, timeout: float | None = None) -> None:
        """Acknowledges notifications, so that no device gets them again. It is repeated after a lost connection."""
        if ids:
            await calls.call(self._engine, "call", "notification_ack", {"notificationIds": ids}, timeout)

    @property
    def pending(self) -> int | None:
        """The number of notifications that are not acknowledged. None while it is not known, which it is while the app is
        subscribed.
        """
        return self._engine.pending

    async def pending_counts(self) -> AsyncIterator[int]:
        """Gives the number of notifications that are not acknowledged, and then each change, until the client is closed. A slow
        loop gets the latest number.
        """
        self._engine.guard.enter()
        last = None
        while True:
            pending, changed, status = self._engine.pending, self._engine.changed, self._engine.state.status
            if pending is not None and pending != last:
                last = pending
                yield pending
                continue
            if status == "closed":
                return
            await changed.wait()
