"""After `close` no task, thread or socket is left."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import warnings
from typing import Any

import pytest
from conftest import run
from scripted import CLOSE, TEXT, Peer, Scripted, chat
from scripted_client import aside, online, outcome_of, subscribed, until

import gateway
import gateway.sync
from gateway import Client


def threads_of_the_sdk() -> list[str]:
    """Returns the names of its threads."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("gateway-")]


def descriptors() -> int:
    """Returns the number of open files and sockets of this process."""
    return len(os.listdir("/proc/self/fd"))


def serve(scripted: Scripted) -> None:
    """Greets each client, and answers its close frame."""

    def one(peer: Peer) -> None:
        peer.greet(peer.command("authenticate"))
        peer.write(CLOSE, peer.frame(CLOSE).payload)
        peer.socket.close()

    while (peer := scripted.connections.get()) is not None:
        threading.Thread(target=one, args=[peer], daemon=True, name="test-peer").start()


@pytest.fixture
def serving(scripted: Scripted) -> Any:
    """A scripted gateway that answers all clients."""
    thread = threading.Thread(target=serve, args=[scripted], daemon=True, name="test-serve")
    thread.start()
    yield scripted
    scripted.connections.put(None)  # type: ignore[arg-type]
    thread.join()


def test_a_thousand_clients_leave_nothing(serving: Scripted) -> None:
    async def story() -> None:
        async def once() -> None:
            async with Client(serving.url, token=lambda: "token", tap=lambda frame: None) as client:
                await client.connect(timeout=50)

        await once()
        gc.collect()
        before, tasks = descriptors(), len(asyncio.all_tasks())
        for _ in range(100):
            await asyncio.gather(*(once() for _ in range(10)))
            assert len(asyncio.all_tasks()) == tasks
        await until(lambda: not threads_of_the_sdk())
        # The gateway's side closes a little later.
        await until(lambda: descriptors() <= before)

    run(story)


@pytest.mark.parametrize("greets", [True, False])
def test_closing_in_the_middle_leaves_nothing(scripted: Scripted, greets: bool) -> None:
    async def story() -> None:
        tasks = asyncio.all_tasks()
        client = Client(scripted.url, token="token")
        connecting = asyncio.create_task(outcome_of(client.connect()))
        peer = await aside(scripted.next)
        if greets:
            await aside(peer.command, "authenticate")
        await client.close()
        await client.close()
        assert isinstance(await connecting, gateway.ClosedError)
        assert asyncio.all_tasks() == tasks
        assert await aside(peer.is_at_end, 5)

    run(story)


def test_closing_while_an_address_does_not_answer_leaves_nothing() -> None:
    import socket

    # It accepts no connection, and its backlog is full, so that connecting waits.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):

            async def story() -> None:
                tasks, before = asyncio.all_tasks(), descriptors()
                client = Client(f"ws://127.0.0.1:{port}/ws", token="token")
                connecting = asyncio.create_task(outcome_of(client.connect()))
                await until(lambda: client.state.status == "connecting" and descriptors() > before)
                began = time.monotonic()
                await client.close()
                assert time.monotonic() - began < 3
                assert isinstance(await connecting, gateway.ClosedError)
                assert asyncio.all_tasks() == tasks
                assert descriptors() <= before

            run(story)


def test_a_provider_that_waits_is_cancelled(scripted: Scripted) -> None:
    async def story() -> None:
        tasks, began, ended = asyncio.all_tasks(), asyncio.Event(), asyncio.Event()

        async def provide() -> str:
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            raise AssertionError

        client = Client(scripted.url, token=provide)
        connecting = asyncio.create_task(outcome_of(client.connect()))
        await began.wait()
        await client.close()
        await connecting
        assert ended.is_set() and asyncio.all_tasks() == tasks

    run(story)


def test_a_forgotten_client_warns_and_ends(scripted: Scripted) -> None:
    async def story() -> None:
        client = Client(scripted.url, token="token")
        connecting = asyncio.create_task(client.connect())
        peer = await aside(scripted.accepted)
        await connecting
        del connecting
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            del client
            gc.collect()
        assert [warning.category for warning in warned if "gateway" in str(warning.message)] == [ResourceWarning]
        assert await aside(peer.is_at_end, 5)

    run(story)


def test_a_loop_that_ends_first_leaves_no_socket(scripted: Scripted) -> None:
    clients = []

    async def story() -> None:
        client = Client(scripted.url, token="token")
        clients.append(client)
        connecting = asyncio.create_task(client.connect())
        await aside(scripted.accepted)
        await connecting

    before = descriptors()
    run(story)
    gc.collect()
    # That of the gateway's side remains.
    assert descriptors() <= before + 1

    async def later() -> None:
        with pytest.raises(gateway.UsageError, match="another event loop which has ended"):
            await clients[0].clan_chat("c").send("hello")

    run(later)


def test_every_call_ends_when_the_client_is_closed(scripted: Scripted) -> None:
    async def story() -> None:
        async with online(scripted) as (client, peer):
            events = await subscribed(client, peer)
            calls: list[asyncio.Task[object]] = []
            for _ in range(16):
                for call in [
                    client.clan_chat("c").send("hello"),
                    events.next(),
                    client.clan_chat("d").subscribe()._opened(),
                    client.request("ping"),
                ]:
                    calls.append(asyncio.create_task(outcome_of(call)))
            await aside(peer.command, "ping")
            await client.close()
            ends = await asyncio.wait_for(asyncio.gather(*calls), 2)
            assert {type(end) for end in ends} == {gateway.ClosedError}

    run(story)


def test_an_unread_stream_is_bounded(scripted: Scripted) -> None:
    async def story() -> None:
        async with online(scripted, buffer=10) as (client, peer):
            events = await subscribed(client, peer)
            for offset in range(1, 2_001):
                await aside(peer.write, TEXT, chat(offset, "news"))
            peer.write(TEXT, '{"type":"a_later_type","clanId":"c"}')
            asking = asyncio.create_task(client.clan_chat("c").presence())
            peer.reply(await aside(peer.command, "presence"), "presence", clanId="c", users=[], count=0)
            await asking
            taken = 0
            while engine_take(client, events):
                taken += 1
            assert taken <= 12

    def engine_take(client: Client, events: gateway.Subscription) -> bool:
        return events._stream._take() is not None

    run(story)


def test_the_sync_client_leaves_nothing(serving: Scripted) -> None:
    for _ in range(20):
        with gateway.sync.Client(serving.url, token="token") as client:
            client.connect(timeout=30)
            assert "gateway-sync" in threads_of_the_sdk()
        assert not threads_of_the_sdk()


def test_a_tap_that_blocks_keeps_nothing_waiting(scripted: Scripted) -> None:
    released = threading.Event()

    async def story() -> None:
        async with online(scripted, tap=lambda frame: released.wait(30)) as (client, _):
            began = time.monotonic()
            await client.close()
            assert time.monotonic() - began < 6
            assert client.state.status == "closed"

    run(story)
    assert threads_of_the_sdk() == ["gateway-listeners"]
    released.set()
    deadline = time.monotonic() + 20
    while threads_of_the_sdk() and time.monotonic() < deadline:
        threading.Event().wait(0.002)
    assert not threads_of_the_sdk()


def test_a_provider_that_blocks_keeps_nothing_waiting(scripted: Scripted) -> None:
    released, began = threading.Event(), threading.Event()

    def provide() -> str:
        began.set()
        released.wait(30)
        return "token"

    async def story() -> None:
        client = Client(scripted.url, token=provide)
        connecting = asyncio.create_task(outcome_of(client.connect()))
        await aside(began.wait)
        await asyncio.wait_for(client.close(), 1)
        assert isinstance(await connecting, gateway.ClosedError)
        released.set()
        await until(lambda: not threads_of_the_sdk())
        await asyncio.sleep(0)
        assert scripted.connections.empty()

    run(story)
