"""Stories with the real gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from conftest import run
from real_gateway import RealGateway

import gateway
from gateway import Chat, Client, Notification, PresenceChanged, Subscription, Typing

M = TypeVar("M")


async def next_of(subscription: Subscription, kind: type[M]) -> M:
    """Returns the next message of a type."""
    while True:
        event = await subscription.next()
        if isinstance(event.message, kind):
            return event.message


def test_members_of_a_clan_chat(real: RealGateway) -> None:
    async def story() -> None:
        async with Client(real.url, token=real.token("ada")) as ada, Client(real.url, token=real.token("bob")) as bob:
            assert {ada.state.status, bob.state.status} == {"idle"}
            async with ada.clan_chat("wolves").subscribe(presence=True) as events:
                await bob.clan_chat("wolves").subscribe()
                changed = await next_of(events, PresenceChanged)
                assert (changed.user_id, changed.status) == ("bob", "online")
                bob.clan_chat("wolves").set_typing(True)
                typing = await next_of(events, Typing)
                assert (typing.user_id, typing.is_typing) == ("bob", True)
                sent = await bob.clan_chat("wolves").send('hi "🐺"\n', data={"replyTo": "m0"})
                async for event in events:
                    if not isinstance(event.message, Chat):
                        continue
                    chat = event.message
                    assert (chat.content, chat.user_id, chat.data) == ('hi "🐺"\n', "bob", {"replyTo": "m0"})
                    assert (chat.message_id, chat.client_message_id) == (sent.message_id, sent.client_message_id)
                    assert json.loads(event.raw)["content"] == chat.content
                    assert event.position is not None and event.position.offset == chat.offset
                    assert events.position == event.position
                    break
            history = await ada.clan_chat("wolves").history(limit=10)
            assert [message.message_id for message in history.messages] == [sent.message_id]
            assert (await ada.clan_chat("wolves").presence()).count > 0
            assert ada.state.session is not None and ada.state.session.user_id == "ada"
        assert ada.state.status == "closed"

    run(story)


def test_continues_after_a_position_and_a_restart(real: RealGateway) -> None:
    async def story() -> None:
        async with Client(real.url, token=real.token("ada")) as ada, Client(real.url, token=real.token("bob")) as bob:
            chat = bob.clan_chat("wolves")
            for content in ["one", "two", "three"]:
                await chat.send(content)
            async with ada.clan_chat("wolves").subscribe(history=2) as first:
                assert (await next_of(first, Chat)).content == "two"
            subscription = await ada.clan_chat("wolves").subscribe(position=first.position)
            assert (await next_of(subscription, Chat)).content == "three"

            real.kill()
            sending = asyncio.create_task(chat.send("while it is down", timeout=30))
            await asyncio.to_thread(real.run)
            await sending
            await chat.send("when it is back", timeout=30)
            for content in ["while it is down", "when it is back"]:
                assert (await next_of(subscription, Chat)).content == content

    run(story)


def test_notifications_come_once_and_are_counted_and_acknowledged(real: RealGateway) -> None:
    async def story() -> None:
        real.notify("ada", "first")
        async with Client(real.url, token=real.token("ada")) as ada:
            assert ada.notifications.pending is None
            async with ada.notifications.subscribe() as events:
                await asyncio.to_thread(real.notify, "ada", "second")
                ids = []
                for title in ["first", "second"]:
                    notification = await next_of(events, Notification)
                    assert notification.title == title
                    ids.append(notification.id)
                await ada.notifications.ack(*ids)
                async for count in ada.notifications.pending_counts():
                    if count == 0:
                        break
                assert ada.notifications.pending == 0

    run(story)


def test_a_session_is_replaced_and_taken_back(start_gateway: Callable[..., RealGateway]) -> None:
    real = start_gateway("sessions.max_per_user = 1")

    async def story() -> None:
        token = real.token("ada")
        async with (
            Client(real.url, token=token, device_id="phone") as first,
            Client(real.url, token=token, device_id="phone") as second,
        ):
            events = await first.notifications.subscribe()
            await second.connect()
            async for state in first.states():
                if state.status == "replaced":
                    break
            with pytest.raises(gateway.ReplacedError) as refused:
                await first.clan_chat("wolves").presence()
            assert refused.value.code == "replaced"
            await second.close()
            await first.connect()
            await asyncio.to_thread(real.notify, "ada", "it continues")
            assert (await next_of(events, Notification)).title == "it continues"

    run(story)


def test_raw_requests_and_frames(real: RealGateway) -> None:
    frames: list[gateway.Frame] = []

    async def story() -> Any:
        async with Client(real.url, token=real.token("ada"), tap=frames.append) as client:
            return await client.request("ping")

    assert run(story)["type"] == "pong"
    shown = [json.loads(frame.text) for frame in frames]
    assert [frame["type"] for frame in shown][:4] == ["authenticate", "connected", "ping", "pong"]
    assert shown[0]["token"] == "…"
    assert not any("eyJ" in frame.text for frame in frames)
