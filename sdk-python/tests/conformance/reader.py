"""Reads a subscription: as many items as the kit allows."""

from __future__ import annotations

import asyncio
import json

from output import emit, failure

from gateway import GatewayError, Subscription


class Reader:
    """A task that reads a subscription until it ends."""

    def __init__(self, name: str, subscription: Subscription, allowed: float) -> None:
        self._name = name
        self._subscription = subscription
        self._allowed = allowed
        self._is_left = False
        self._ordered = asyncio.Event()
        # Starts after the current task has written `done` with the position.
        self.task = asyncio.create_task(self._run(), name=f"reader-{name}")

    def read(self, count: int) -> None:
        """Allows this number of items more."""
        self._allowed += count
        self._ordered.set()

    def leave(self) -> None:
        """Leaves the subscription. Items that were not read are dropped."""
        self._is_left = True
        self._subscription.close()
        self._ordered.set()

    async def _run(self) -> None:
        try:
            while await self._is_allowed():
                event = await anext(self._subscription)
                self._allowed -= 1
                position = None if event.position is None else event.position.encode()
                emit(event="item", stream=self._name, item=json.loads(event.raw), position=position)
        except StopAsyncIteration:
            emit(event="end", stream=self._name)
        except GatewayError as error:
            emit(event="end", stream=self._name, error=failure(error))
        else:
            emit(event="end", stream=self._name)

    async def _is_allowed(self) -> bool:
        """Waits until the kit allows an item. Returns False if the app has left the subscription meanwhile."""
        while self._allowed <= 0 and not self._is_left:
            self._ordered.clear()
            await self._ordered.wait()
        return not self._is_left
