"""Wrong use: each is a typed error that names the mistake."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import pickle
import ssl
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from conftest import run
from real_gateway import RealGateway
from scripted import Scripted
from scripted_client import aside, engine_of, online, outcome_of, subscribed, until

import gateway
import gateway.sync
from gateway import Client, GatewayError


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"url": "gateway.example.com"}, "url: 'gateway.example.com' has to begin with ws://"),
        ({"url": "ftp://x/"}, "has to begin with ws://"),
        ({"url": "ws://"}, "names no host"),
        ({"url": "ws://a b/"}, "has a fragment or a space"),
        ({"url": "ws://x/#top"}, "has a fragment"),
        ({"url": "ws://x:99999/"}, "url: .*[Pp]ort"),
        ({"url": None}, "url: expected a str such as"),
        ({"token": None}, "token: expected a str, or a function that returns one, not NoneType"),
        ({"token": b"x"}, "token: .* not bytes"),
        ({"timeout": -1}, "timeout: expected seconds"),
        ({"timeout": math.nan}, "timeout: expected seconds"),
        ({"timeout": "5"}, "timeout: expected seconds"),
        ({"buffer": 0}, "buffer: expected a positive whole number, not 0"),
        ({"reconnect": 5}, "reconnect: expected the shortest and the longest wait"),
        ({"reconnect": (5, 1)}, "reconnect: the shortest wait has to be at most"),
        ({"headers": [("a", "b")]}, "headers: expected a mapping"),
        ({"headers": {"a": "b\r\nc: d"}}, "headers: the header 'a'"),
        ({"headers": {"a": 1}}, "headers: the header 'a'"),
        ({"proxy": 7}, "proxy: expected the address of a proxy"),
        ({"ssl": True}, "ssl: expected an ssl.SSLContext"),
        ({"ssl": ssl.create_default_context()}, "uses no TLS: begin it with wss://"),
        ({"logger": print}, "logger: expected Logger"),
        ({"device_id": 5}, "device_id: expected str, not int"),
        ({"tap": "x"}, "tap: expected a function, not str"),
    ],
)
def test_wrong_arguments_of_a_client(arguments: dict[str, Any], sentence: str) -> None:
    for kind in [Client, gateway.sync.Client]:
        make: Any = kind
        with pytest.raises(gateway.InvalidError, match=sentence) as refused:
            make(**{"url": "ws://localhost/ws", "token": "t", **arguments})
        assert isinstance(refused.value, ValueError) and refused.value.outcome == "not_sent"


def test_errors_of_the_gateway_and_of_arguments(real: RealGateway) -> None:
    async def story() -> None:
        async with Client(real.url, token=real.token("eve", clans=["cats"])) as eve:
            wolves, cats = eve.clan_chat("wolves"), eve.clan_chat("cats")
            with pytest.raises(gateway.RefusedError) as forbidden:
                await wolves.send("hi", client_message_id="mine")
            error = forbidden.value
            assert (error.code, error.outcome, error.retryable) == ("forbidden", "refused", False)
            assert error.client_message_id == "mine"
            with pytest.raises(gateway.RefusedError, match="not allowed"):
                await wolves.subscribe()
            wrong: list[Callable[[], Awaitable[object]]] = [
                lambda: cats.send(""),
                lambda: cats.send("hi", data={"x": object()}),
                lambda: cats.send("hi", data={"x": math.nan}),
                lambda: cats.send("\ud800"),
                lambda: cats.send(5),  # type: ignore[arg-type]
                lambda: cats.history(limit=1_000),
                lambda: cats.history(timeout=-1),
                lambda: eve.request("\ud800"),
                lambda: cats.subscribe(history=-5)._opened(),
                lambda: eve.clan_chat("\ud800").subscribe()._opened(),
            ]
            for call in wrong:
                with pytest.raises(gateway.InvalidError):
                    await call()
            with pytest.raises(gateway.RefusedError, match="no such type"):
                await eve.request("no_such_command")
            assert not engine_of(eve).calls and not engine_of(eve).streams
            await cats.send("it still works")

    run(story)


def test_a_refused_token_and_a_user_who_is_signed_out(real: RealGateway) -> None:
    async def story() -> None:
        async with Client(real.url, token="no token at all") as client:
            with pytest.raises(gateway.UnauthorizedError):
                await client.connect()
            assert client.state.status == "unauthorized"

        def signed_out() -> str:
            raise gateway.SignedOut

        async with Client(real.url, token=signed_out) as client:
            with pytest.raises(GatewayError):
                await client.connect()
            assert client.state.status == "unauthorized"

    run(story)


def test_a_provider_of_something_else(scripted: Scripted) -> None:
    async def story(provider: Any, sentence: str) -> None:
        async with Client(scripted.url, token=provider, reconnect=(10, 10)) as client:
            connecting = asyncio.create_task(outcome_of(client.connect()))
            async for state in client.states():
                if state.error is not None:
                    assert (state.error.code, sentence in state.error.message) == ("token", True), state
                    break
            await client.close()
            await connecting

    async def fails() -> str:
        raise ValueError("no luck")

    providers: list[tuple[Any, str]] = [
        (lambda: 5, "returned int instead of str"),
        (lambda: b"token", "returned bytes instead of str"),
        (lambda: "\ud800", "no Unicode"),
        (fails, "ValueError: no luck"),
        (lambda: fails(), "ValueError: no luck"),
        (lambda wrong: "token", "TypeError"),
    ]
    for provider, sentence in providers:
        run(lambda p=provider, s=sentence: story(p, s))  # type: ignore[misc]


def test_a_function_that_returns_a_coroutine(scripted: Scripted) -> None:
    async def token() -> str:
        return "the token"

    async def story() -> None:
        async with online(scripted, token=lambda: token()) as (client, _):
            assert client.state.status == "online"

    run(story)


def test_after_close(real: RealGateway) -> None:
    async def story() -> None:
        client = Client(real.url, token=real.token("ada"))
        await client.connect()
        events = await client.notifications.subscribe()
        await client.close()
        assert [event async for event in events] == []
        assert [state.status async for state in client.states()] == ["closed"]
        for call in [
            client.connect(),
            client.clan_chat("c").presence(),
            client.notifications.subscribe()._opened(),
            client.request("ping"),
            client.call("orders", "place", {}),
        ]:
            error = await outcome_of(call)
            assert isinstance(error, gateway.ClosedError) and error.outcome == "not_sent"
        client.wake()
        await client.close()

    run(story)


def test_a_client_that_was_never_used() -> None:
    client = Client("ws://localhost/ws", token="t")
    asyncio.run(client.close())
    assert client.state.status == "closed"
    Client("ws://localhost/ws", token="t")


def test_no_gateway_there() -> None:
    async def story() -> None:
        async with Client("ws://127.0.0.1:9/ws", token="t") as client:
            with pytest.raises(gateway.TimedOutError, match="9") as late:
                await client.connect(timeout=0.3)
            assert late.value.reason is not None and late.value.reason.code == "connection"

    run(story)


def test_another_loop(scripted: Scripted) -> None:
    client = Client(scripted.url, token="t")

    async def first() -> None:
        connecting = asyncio.create_task(client.connect())
        await aside(scripted.accepted)
        await connecting

        async def second() -> None:
            calls: list[Callable[[], Awaitable[object]]] = [
                lambda: client.clan_chat("c").send("x"),
                client.connect,
                client.close,
                lambda: client.notifications.subscribe()._opened(),
            ]
            for call in calls:
                with pytest.raises(gateway.UsageError, match="belongs to another event loop: make a client for each loop"):
                    await call()
            with pytest.raises(gateway.UsageError):
                client.wake()

        await aside(asyncio.run, second())
        with pytest.raises(gateway.UsageError, match="no event loop is running"):
            await aside(client.wake)
        await client.close()

    run(first)
    with pytest.raises(gateway.UsageError, match=r"use gateway\.sync\.Client"):
        client.clan_chat("c").set_typing(True)


FORKED = """
import asyncio, os, sys
import gateway, gateway.sync
from gateway import Client

unused = Client(sys.argv[1], token="t")
client = Client(sys.argv[1], token="t")
plain = gateway.sync.Client(sys.argv[1], token="t")

async def use():
    try:
        await asyncio.wait_for(client.request("ping", timeout=0.2), 5)
    except gateway.TimedOutError:
        pass

loop = asyncio.new_event_loop()
loop.run_until_complete(use())
try:
    plain.request("ping", timeout=0.2)
except gateway.TimedOutError:
    pass
child = os.fork()
if child == 0:
    async def later():
        for call in [client.request("ping"), client.close()]:
            try:
                await call
            except gateway.UsageError as error:
                assert "before it forked: make a new client in each process" in str(error), error
            else:
                os._exit(2)
    asyncio.events._set_running_loop(None)
    asyncio.run(later())
    for call in [lambda: plain.request("ping"), plain.close]:
        try:
            call()
        except gateway.UsageError as error:
            assert "before it forked" in str(error), error
        else:
            os._exit(3)
    # One that was not used before works.
    async def fresh():
        try:
            await unused.request("ping", timeout=0.2)
        except gateway.TimedOutError:
            pass
        await unused.close()
    asyncio.run(fresh())
    os._exit(0)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
loop.run_until_complete(client.close())
plain.close()
print("good")
"""


def test_after_a_fork(scripted: Scripted) -> None:
    command = [sys.executable, "-c", FORKED, scripted.url]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert ended.stdout == "good\n", ended.stderr


def test_cancelled_at_each_await(scripted: Scripted) -> None:
    async def story() -> None:
        async with online(scripted) as (client, peer):
            events = await subscribed(client, peer)
            for steps in range(6):
                for call in [
                    client.clan_chat("c").send("x"),
                    client.clan_chat("c").history(),
                    client.connect(),
                    events.next(),
                    client.clan_chat("d").subscribe()._opened(),
                    client.request("ping"),
                ]:
                    task = asyncio.ensure_future(call)
                    for _ in range(steps):
                        await asyncio.sleep(0)
                    task.cancel()
                    await asyncio.wait([task])
            await until(lambda: not engine_of(client).calls)
            assert len(engine_of(client).streams) == 1
            closing = asyncio.ensure_future(client.close())
            await asyncio.sleep(0)
            closing.cancel()
            await asyncio.wait([closing])
            await client.close()
            assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("gateway-")]

    run(story)


def test_the_logger_gets_changes_of_the_state(scripted: Scripted) -> None:
    records: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record.getMessage())
            raise RuntimeError("the handler fails")

    logger = logging.Logger("test")
    logger.addHandler(Handler())

    async def story() -> None:
        async with online(scripted, logger=logger):
            pass
        await until(lambda: "the gateway client is closed" in records)

    run(story)
    assert records == [f"the gateway client is {status}" for status in ["connecting", "online", "closed"]]


def test_headers_and_a_proxy(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with online(scripted, headers={"X-Tenant": "wolves"}, proxy=None) as (_, peer):
            assert "X-Tenant: wolves" in peer.head

    async def through_a_proxy(**options: Any) -> None:
        async with Client("ws://gateway.test/ws", token="t", **options) as client:
            connecting = asyncio.create_task(outcome_of(client.connect()))
            async for state in client.states():
                if state.error is not None:
                    assert "proxy" in state.error.message.lower() or "127.0.0.1" in state.error.message
                    break
            await client.close()
            await connecting

    run(story)
    proxy = "http://127.0.0.1:9"
    run(lambda: through_a_proxy(proxy=proxy))
    for name in ["http_proxy", "https_proxy", "all_proxy", "ws_proxy", "no_proxy"]:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.setenv("http_proxy", proxy)
    run(through_a_proxy)


def test_errors_can_be_pickled() -> None:
    error = gateway.TimedOutError("late", code="timed_out", outcome="unknown", retryable=True, retry_after=2.5)
    error.client_message_id = "m"
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is gateway.TimedOutError and copy.__dict__ == error.__dict__ and str(copy) == "late"


def test_importing_loads_neither_the_core_nor_the_network_library() -> None:
    code = (
        "import sys, gateway, gateway.sync; "
        "print(sorted(name for name in sys.modules if name == 'gateway._core' or name.startswith('websockets')))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_threads_of_the_async_client(scripted: Scripted) -> None:
    async def story() -> None:
        async with online(scripted, token=lambda: "t", tap=lambda frame: None):
            await until(lambda: not [t for t in threading.enumerate() if t.name.startswith("gateway-")])

    run(story)
    assert os.getpid()


def test_a_loop_with_eager_tasks(scripted: Scripted) -> None:
    async def token() -> str:
        return "the token"

    async def story() -> None:
        # Python has eager tasks since 3.12. Before, this is the ordinary loop.
        asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory", None))
        async with online(scripted, token=token) as (client, peer):
            await subscribed(client, peer)

    run(story)


def test_states_are_not_repeated_when_notifications_change(scripted: Scripted) -> None:
    async def story() -> None:
        async with online(scripted) as (client, peer):
            statuses: list[str] = []

            async def collect() -> None:
                async for state in client.states():
                    statuses.append(state.status)

            collecting = asyncio.create_task(collect())
            subscribing = asyncio.ensure_future(_begin(client.notifications.subscribe()))
            subscribe = await aside(peer.command, "subscribe_notifications")
            peer.reply(subscribe, "subscription_confirmed", service="notifications", status="subscribed", pending=7)
            await subscribing
            async for pending in client.notifications.pending_counts():
                if pending == 7:
                    break
            await client.close()
            await collecting
            assert statuses == ["online", "closed"]

    run(story)


async def _begin(subscription: gateway.Subscription) -> gateway.Subscription:
    return await subscription
