"""The client for asyncio."""

from __future__ import annotations

import asyncio
import logging
import ssl as tls
import warnings
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any

from . import calls
from .clan_chat import ClanChat
from .engine import Engine
from .errors import GatewayError, RefusedError, closed_by_app, copy_of
from .listeners import Frame
from .messages import CallResult
from .notifications import Notifications
from .options import check
from .state import FINAL, State
from .subscription import Subscription
from .tokens import TokenProvider
from .topic import Topic


class Client:
    """A client of one gateway, for asyncio. It connects at its first use, keeps the connection, and continues subscriptions after
    a lost one.

        async with Client("wss://gateway.example.com/ws", token=fetch_token) as client:
            await client.clan_chat("wolves").send("hello")

    It can be made anywhere, also without an event loop. From its first use on it belongs to the loop and the process that used
    it; elsewhere it raises `UsageError`. `gateway.sync.Client` can be used from any thread.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | TokenProvider,
        device_id: str | None = None,
        timeout: float = 10.0,
        buffer: int = 1_000,
        reconnect: tuple[float, float] = (0.0, 30.0),
        headers: Mapping[str, str] | None = None,
        proxy: str | bool | None = True,
        ssl: tls.SSLContext | None = None,
        logger: logging.Logger | None = None,
        tap: Callable[[Frame], object] | None = None,
    ) -> None:
        """Makes a client of the gateway at an address such as `wss://gateway.example.com/ws`. It does not connect yet. Raises
        `InvalidError`, which says what is wrong with an argument.

        - `token`: a function that returns a fresh token, or a coroutine function. It is called whenever one is needed. A function
          runs in a thread, so it may block. A `str` is for scripts and tests.
        - `device_id`: at most 128 bytes. The next session of a device replaces its own predecessor.
        - `timeout`: how many seconds a call may take together with the connection that it needs; `math.inf` for no limit.
        - `buffer`: how many messages a subscription holds for a slow reader before it gets a `Gap`.
        - `reconnect`: the shortest and the longest wait between attempts in seconds. The waits grow at random from one to the
          other. The gateway may ask for a longer wait.
        - `headers`: more headers of the upgrade request.
        - `proxy`: the address of a proxy; True for that of the environment, None for none.
        - `ssl`: the configuration of TLS, such as own authorities.
        - `logger`: gets the changes of the state. No content and no token is logged.
        - `tap`: gets all frames of the connection, for debugging, in a thread of its own. While it is slow, 1,000 frames wait;
          further ones are dropped and counted in `Frame.dropped`.
        """
        options = {
            "device_id": device_id,
            "timeout": timeout,
            "buffer": buffer,
            "reconnect": reconnect,
            "headers": headers,
            "proxy": proxy,
            "ssl": ssl,
            "logger": logger,
            "tap": tap,
        }
        self._engine = Engine(check(url, token, options))

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def connect(self, *, timeout: float | None = None) -> None:
        """Connects, and waits until that has succeeded. It starts again after a final state. Without it the first request
        connects. `timeout` is in seconds, that of the client by default.
        """
        engine = self._engine
        engine.guard.enter()
        limit = calls.timeout_ms(engine, timeout)
        engine.connect()
        try:
            await asyncio.wait_for(self._until_online(), None if limit is None else limit / 1_000)
        except asyncio.TimeoutError:
            raise self._late(limit) from None

    async def _until_online(self) -> None:
        while True:
            state, changed = self._engine.state, self._engine.changed
            if state.status == "online":
                return
            if state.status == "closed":
                raise closed_by_app()
            if state.status in FINAL:
                raise copy_of(state.error) if state.error else RefusedError(f"the client is {state.status}", code=state.status)
            await changed.wait()

    def _late(self, limit: int | None) -> GatewayError:
        from .errors import TimedOutError

        text = f"the client is not online after {limit} ms"
        error = self._engine.state.error
        if error is not None:
            text += f"; the last problem was: {error.message}"
        return TimedOutError(text, code="timed_out", retryable=True, reason=error)

    @property
    def notifications(self) -> Notifications:
        """The notifications of the user."""
        return Notifications(self._engine)

    def clan_chat(self, clan_id: str) -> ClanChat:
        """Returns the chat of a clan."""
        return ClanChat(self._engine, clan_id)

    def topic(self, service: str, topic: str) -> Topic:
        """Returns a topic of a declared service."""
        return Topic(self._engine, service, topic)

    def server_subscriptions(self) -> Subscription:
        """Returns the subscriptions that the server makes, by a claim of the token or through its HTTP API, and the events of all
        their topics: each once and in the order of its topic, or a `Gap`. Open it before `connect`, and keep it. Messages are
        `SubscriptionConfirmed`, `TopicMessage`, `Gap`, `SubscriptionEnded` and `Missed`.
        """
        return Subscription(self._engine, "server_subscriptions", {})

    async def call(
        self, service: str, method: str, data: Any, *, call_id: str | None = None, timeout: float | None = None
    ) -> Any:
        """Calls the backend of a declared service with JSON, and returns the JSON of its response. A call is never repeated:
        after an error with the outcome `unknown` the backend may have carried it out. Repeating it with the same `call_id` is
        safe.
        """
        fields = {
            "service": service,
            "method": method,
            "data": data,
            "callId": calls.new_id() if call_id is None else call_id,
        }
        limit = calls.timeout_ms(self._engine, timeout)
        if limit is not None:
            fields["timeoutMs"] = limit
        text = await calls.call(self._engine, "request", "call", fields, timeout)
        return calls.read_reply(text, CallResult.decode).data

    async def request(self, command: str, fields: Mapping[str, Any] | None = None, *, timeout: float | None = None) -> Any:
        """Sends any command, and returns the JSON of the gateway's reply. It is never repeated. `fields` has no type and no
        requestId.
        """
        text = await calls.call(self._engine, "request", command, dict(fields or {}), timeout)
        return calls.read_reply(text, lambda value: value)

    @property
    def state(self) -> State:
        """The current state."""
        return self._engine.state

    async def states(self) -> AsyncIterator[State]:
        """Gives the current state and then each later one, until the client is closed. A slow loop gets the latest state, and not
        all of those in between.
        """
        self._engine.guard.enter()
        last = None
        while True:
            state, changed = self._engine.state, self._engine.changed
            # The number of pending notifications changes too.
            if state is not last:
                last = state
                yield state
            if state.status == "closed":
                return
            # After the app has been away, the state may be a later one already.
            await changed.wait()

    def wake(self) -> None:
        """Takes note that the network or the app is back, so that the client checks the connection or connects now. The SDK
        notices by itself that the device has slept.
        """
        self._engine.guard.enter()
        self._engine.report({"type": "woken"})

    async def close(self) -> None:
        """Closes the client: subscriptions end without an error, and calls are refused. It waits until the gateway has answered
        the close frame, for at most two seconds. After that no task, thread or socket of the client is left. A second call does
        nothing.
        """
        if self._engine.guard.loop is None:
            # It was never used, so it needs no loop and may be closed anywhere.
            self._engine.end()
            return
        self._engine.guard.enter()
        await self._engine.close()

    def __del__(self) -> None:
        # An error of the constructor leaves none.
        engine: Engine | None = getattr(self, "_engine", None)
        if engine is None or engine.state.status == "closed" or not engine.guard.is_here():
            return
        warnings.warn(f"unclosed {self!r}: call close, or use `async with`", ResourceWarning, source=self, stacklevel=2)
        loop = engine.guard.loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(engine.abort)
            except RuntimeError:
                # The loop has just ended.
                return
