"""The duties of a driver, with a scripted gateway. docs/sdk-core.md numbers them."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import run
from scripted import CLOSE, PING, PONG, TEXT, Peer, Scripted, chat, encoded
from scripted_client import aside, engine_of, next_chat, online, outcome_of, skip, subscribed, until

import gateway
from gateway import Client, Gap, GatewayError, Subscription
from gateway.clock import Clock


def test_duty_01_keeps_the_order_of_the_socket(scripted: Scripted) -> None:
    async def duty() -> None:
        async with online(scripted) as (client, peer):
            events = await subscribed(client, peer)
            peer.write_raw(encoded(TEXT, chat(1, "first")) + encoded(TEXT, chat(2, "second")) + encoded(CLOSE, b"\x03\xe9"))
            assert [(await next_chat(events)).content for _ in range(2)] == ["first", "second"]
            # The client continues after what came before the close frame.
            peer = await aside(scripted.accepted)
            assert (await aside(peer.command, "subscribe_clan_chat"))["recover"]["offset"] == 2

    run(duty)


@pytest.mark.parametrize("status", [429, 503])
def test_duty_02_passes_on_retry_after(scripted: Scripted, status: int) -> None:
    scripted.refusal = f"HTTP/1.1 {status} Later\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n".encode()

    async def duty() -> None:
        async with Client(scripted.url, token="token") as client:
            connecting = asyncio.create_task(outcome_of(client.connect()))
            async for state in client.states():
                if state.next_attempt is not None:
                    wait = state.next_attempt.timestamp() - time.time()
                    assert 6 < wait < 31
                    break
            await client.close()
            assert isinstance(await connecting, gateway.ClosedError)

    run(duty)


def test_duty_02_passes_on_the_status(scripted: Scripted) -> None:
    scripted.refusal = b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"

    async def duty() -> None:
        async with Client(scripted.url, token="token") as client:
            with pytest.raises(GatewayError):
                await client.connect()
            assert client.state.status == "failed"

    run(duty)


def test_duty_03_accepts_large_messages(scripted: Scripted) -> None:
    async def duty() -> None:
        async with online(scripted) as (client, peer):
            events = await subscribed(client, peer)
            for offset, size in enumerate([256 << 10, 3 << 20], 1):
                later = f'{{"type":"a_later_type","clanId":"c","more":"{"x" * size}"}}'
                await aside(peer.write_raw, encoded(TEXT, later) + encoded(TEXT, chat(offset, "after it")))
                while not isinstance((event := await events.next()).message, gateway.Chat):
                    assert event.message == gateway.UnknownMessage("a_later_type")
                assert event.message.offset == offset

    run(duty)


def test_duty_04_leaves_silence_to_the_core(scripted: Scripted) -> None:
    async def duty() -> None:
        async with online(scripted) as (client, peer):
            assert "permessage-deflate" not in peer.head and "gateway.v1.json" in peer.head
            # The answer keeps the connection.
            skip(client, 26)
            await aside(peer.command, "ping")
            peer.write(TEXT, '{"type":"pong","timestamp":"2026-01-31T12:00:00.000Z"}')
            with pytest.raises(TimeoutError):
                await aside(peer.read, 0.05)
            peer.write(PING, "are you there")
            frame = await aside(peer.frame, PONG)
            assert frame.payload == b"are you there"
            # Without an answer there is another connection.
            skip(client, 26)
            await aside(peer.command, "ping")
            skip(client, 26)
            await aside(scripted.accepted)

    run(duty)


def test_duty_05_keeps_cancellation_away_from_the_socket(scripted: Scripted) -> None:
    async def duty() -> None:
        async with online(scripted) as (client, peer):
            events = await subscribed(client, peer)
            sending = asyncio.create_task(client.clan_chat("c").send("hello"))
            sent = await aside(peer.command, "chat")
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert not engine_of(client).calls
            # The late reply is dropped, and the connection still works.
            peer.reply(sent, "message_sent", messageId="m1", clanId="c", offset=1, sentAt="2026-01-31T12:00:00.000Z")
            reading = asyncio.create_task(events.next())
            await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            peer.write(TEXT, chat(1, "hello"))
            assert (await next_chat(events)).content == "hello"
            # A subscription whose opening is cancelled is left.
            opening = asyncio.ensure_future(client.clan_chat("d").subscribe()._opened())
            peer.confirm(await aside(peer.command, "subscribe_clan_chat") | {"clanId": "d"})
            opening.cancel()
            await asyncio.wait([opening])
            assert len(engine_of(client).streams) <= 2

    run(duty)


def test_duty_06_receives_while_the_gateway_does_not_read(scripted: Scripted) -> None:
    async def duty() -> None:
        async with online(scripted, timeout=60) as (client, peer):
            events = await subscribed(client, peer)
            # 6 MB, for which the buffers of both sides have no room.
            sends = [
                asyncio.create_task(outcome_of(client.clan_chat(f"clan{number}").send("🐺" * 4_000))) for number in range(400)
            ]
            await until(lambda: len(engine_of(client).calls) == len(sends))
            for offset in range(1, 101):
                await aside(peer.write, TEXT, chat(offset, "news"))
            for _ in range(100):
                await next_chat(events)
            assert len(engine_of(client).calls) == len(sends)
            began = time.monotonic()
            await client.close()
            assert time.monotonic() - began < 3.5
            assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("gateway-")]
            assert all(isinstance(error, GatewayError) for error in await asyncio.gather(*sends))

    run(duty)


def test_duty_07_closes_within_two_seconds(scripted: Scripted) -> None:
    frames: list[gateway.Frame] = []

    async def duty() -> None:
        async with online(scripted, tap=frames.append) as (client, peer):
            events = await subscribed(client, peer)
            began = time.monotonic()
            closing = asyncio.create_task(client.close())
            assert (await aside(peer.frame, CLOSE)).code == 1000
            peer.write(TEXT, chat(1, "late"))
            await closing
            assert 1 < time.monotonic() - began < 3
            assert [event async for event in events] == []

    run(duty)
    assert not any("late" in frame.text for frame in frames)


def test_duty_08_obeys_the_deadline(scripted: Scripted) -> None:
    async def duty() -> None:
        async with online(scripted) as (client, peer):
            reading = asyncio.create_task(client.clan_chat("c").history(timeout=0.05))
            await aside(peer.command, "chat_history")
            with pytest.raises(gateway.TimedOutError) as late:
                await reading
            assert (late.value.code, late.value.retryable) == ("timed_out", True)
            assert isinstance(late.value, TimeoutError)

    run(duty)


def test_duty_09_notices_sleep(scripted: Scripted) -> None:
    async def duty() -> None:
        async with online(scripted) as (client, peer):
            skip(client, 10)
            engine_of(client).clock.skew += 3600
            # Any input shows that the device has slept.
            peer.write(PING, "")
            await aside(peer.command, "ping")
            client.wake()

    run(duty)


def test_duty_09_the_clock_notices_each_sleep_once() -> None:
    clock, noticed = Clock(), []
    for skew in [1, 1, 60, 60, -5, -5, 0, 4, 4]:
        clock.skew = float(skew)
        noticed.append(clock.read()[1])
    assert noticed == [False, False, True, False, False, False, False, True, False]


def test_duty_10_drops_late_tokens(scripted: Scripted) -> None:
    late, second, calls = threading.Event(), threading.Event(), []

    def provide() -> str:
        calls.append(threading.current_thread())
        number = len(calls)
        (late if number == 1 else second).wait(20)
        return f"token {number}"

    async def duty() -> None:
        async with Client(scripted.url, token=provide) as client:
            connecting = asyncio.create_task(client.connect(timeout=120))
            await until(lambda: len(calls) == 1)
            while len(calls) < 2:
                skip(client, 31)
                await asyncio.sleep(0.01)
            late.set()
            await until(lambda: not calls[0].is_alive())
            await asyncio.sleep(0)
            assert not engine_of(client)._running, "the client connects with the late token"
            second.set()
            peer = await aside(scripted.next)
            authenticate = await aside(peer.command, "authenticate")
            assert authenticate["token"] == "token 2"
            peer.greet(authenticate)
            await connecting

    run(duty)


def test_duty_11_drops_events_of_closed_connections(scripted: Scripted) -> None:
    async def duty() -> None:
        async with online(scripted) as (client, peer):
            events = await subscribed(client, peer)
            # The core closes a connection that does not answer, and opens another one.
            skip(client, 26)
            skip(client, 26)
            successor = await aside(scripted.accepted)
            peer.write(TEXT, chat(1, "late"))
            peer.close(1001)
            successor.confirm(await aside(successor.command, "subscribe_clan_chat"), recovered=True)
            successor.write(TEXT, chat(1, "in time"))
            assert (await next_chat(events)).content == "in time"

    run(duty)


def test_duty_12_pulls_items(scripted: Scripted) -> None:
    frames: list[gateway.Frame] = []

    async def duty() -> None:
        async with online(scripted, buffer=3, tap=frames.append) as (client, peer):
            events = await subscribed(client, peer)
            for offset in range(1, 11):
                peer.write(TEXT, chat(offset, "news"))
            await until(lambda: sum("news" in frame.text for frame in frames) == 10)
            gaps, last = [], 0
            while last < 10:
                message = (await events.next()).message
                if isinstance(message, Gap):
                    gaps.append(message)
                    last = message.after.offset
                else:
                    assert isinstance(message, gateway.Chat) and message.offset == last + 1
                    last = message.offset
            assert [gap.reason for gap in gaps] == ["slow"]

    run(duty)


async def _leave_by_break(events: Subscription, peer: Peer) -> None:
    async with events:
        peer.write(TEXT, chat(1, "news"))
        async for _ in events:
            break


async def _leave_by_error(events: Subscription, peer: Peer) -> None:
    peer.write(TEXT, chat(1, "news"))
    with pytest.raises(ZeroDivisionError):
        async with events:
            async for _ in events:
                raise ZeroDivisionError


async def _leave_by_cancel(events: Subscription, peer: Peer) -> None:
    async def read() -> None:
        async with events:
            async for _ in events:
                raise AssertionError("there is no event")

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])


async def _leave_by_close(events: Subscription, peer: Peer) -> None:
    events.close()
    events.close()
    with pytest.raises(gateway.ClosedError):
        await events.next()


async def _leave_by_forgetting(events: Subscription, peer: Peer) -> None:
    return


@pytest.mark.parametrize("leave", [_leave_by_break, _leave_by_error, _leave_by_cancel, _leave_by_close, _leave_by_forgetting])
def test_duty_13_leaves_subscriptions(scripted: Scripted, leave: Callable[[Subscription, Peer], Any]) -> None:
    async def duty() -> None:
        async with online(scripted) as (client, peer):
            await leave(await subscribed(client, peer), peer)
            gc.collect()
            began = time.monotonic()
            await aside(peer.command, "unsubscribe_clan_chat")
            assert time.monotonic() - began < 2
            assert not engine_of(client).streams

    run(duty)


def test_duty_14_runs_no_code_of_the_app_in_its_loop(scripted: Scripted) -> None:
    threads: list[threading.Thread] = []
    released = threading.Event()

    def provide() -> str:
        threads.append(threading.current_thread())
        return "token"

    def tap(frame: gateway.Frame) -> None:
        threads.append(threading.current_thread())
        # It blocks until the test has seen that the client works nevertheless.
        released.wait(20)

    async def duty() -> None:
        async with online(scripted, token=provide, tap=tap) as (client, peer):
            asking = asyncio.create_task(client.clan_chat("c").presence())
            peer.reply(await aside(peer.command, "presence"), "presence", clanId="c", users=[], count=0)
            assert (await asking).count == 0
            released.set()

    run(duty)
    assert threads and threading.main_thread() not in threads


def test_duty_14_survives_errors_of_the_app(scripted: Scripted) -> None:
    calls = 0

    async def provide() -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("no token")
        return "token"

    def tap(frame: gateway.Frame) -> None:
        raise RuntimeError("in the tap")

    async def duty() -> None:
        async with online(scripted, token=provide, tap=tap) as (client, _):
            assert client.state.status == "online"

    run(duty)


def test_duty_15_masks_tokens(scripted: Scripted) -> None:
    frames: list[gateway.Frame] = []

    async def duty() -> None:
        async with online(scripted, tap=frames.append):
            pass

    run(duty)
    first = frames[0]
    assert (first.sent, first.connection, json.loads(first.text)["token"]) == (True, 1, "…")
    assert not any("the token" in frame.text for frame in frames)


def test_duty_16_ends_with_a_trap_and_starts_again(scripted: Scripted) -> None:
    async def duty() -> None:
        async with online(scripted) as (client, peer):
            events = await subscribed(client, peer)
            asking = asyncio.create_task(outcome_of(client.clan_chat("c").presence()))
            await aside(peer.command, "presence")
            engine_of(client).end_by_trap(RuntimeError("a bug of the core"))
            errors = [await asking, await outcome_of(events.next()), await outcome_of(client.clan_chat("c").presence())]
            assert [type(error) for error in errors] == [gateway.TrapError] * 3
            assert client.state.status == "failed"
            connecting = asyncio.create_task(client.connect())
            peer = await aside(scripted.accepted)
            await connecting
            await subscribed(client, peer)

    run(duty)
