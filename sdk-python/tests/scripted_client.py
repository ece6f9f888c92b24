"""Clients of the scripted gateway, for tests that are coroutines: what waits for the gateway's side runs in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from scripted import Peer, Scripted

from gateway import Chat, Client, Event, Subscription
from gateway.engine import Engine

T = TypeVar("T")

aside = asyncio.to_thread
"""Runs what blocks in a thread."""


@asynccontextmanager
async def online(gateway: Scripted, **options: Any) -> AsyncIterator[tuple[Client, Peer]]:
    """Gives a client that is online, and its connection."""
    async with Client(gateway.url, **{"token": "the token", **options}) as client:
        connecting = asyncio.create_task(client.connect())
        peer = await aside(gateway.accepted)
        await connecting
        yield client, peer


async def subscribed(client: Client, peer: Peer) -> Subscription:
    """Returns a subscription to the clan c."""
    opening = asyncio.ensure_future(_open(client))
    peer.confirm(await aside(peer.command, "subscribe_clan_chat"))
    return await opening


async def _open(client: Client) -> Subscription:
    return await client.clan_chat("c").subscribe()


def engine_of(client: Client) -> Engine:
    """Returns the driver."""
    return client._engine


def skip(client: Client, seconds: float) -> None:
    """Moves the clock of a client ahead, as if this time had passed."""
    engine = engine_of(client)
    engine.clock.started -= seconds
    engine.clock.wall_started -= seconds
    engine.report({"type": "tick"})


async def next_chat(subscription: Subscription) -> Chat:
    """Returns the next message, which has to be a chat message."""
    event: Event = await asyncio.wait_for(subscription.next(), 20)
    assert isinstance(event.message, Chat), event
    return event.message


async def outcome_of(awaitable: Awaitable[T]) -> Exception | T:
    """Returns the result or the error."""
    try:
        return await awaitable
    except Exception as error:
        return error


async def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition of another thread or process, which tells no one that it has come."""
    while not condition():  # noqa: ASYNC110 — the condition belongs to another thread or process
        await asyncio.sleep(0.002)
