"""The client for programs without an event loop: Django, Celery, scripts. Any thread may use it.

    from gateway.sync import Client

    with Client("wss://gateway.example.com/ws", token=fetch_token) as client:
        client.clan_chat("wolves").send("hello")

The client has a thread of its own with an event loop, from its first use until it is closed. It is the client of asyncio: its
methods have the same arguments, and do the same.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import logging
import os
import ssl as tls
import threading
import warnings
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from types import TracebackType
from typing import Any, Literal, TypeVar

from . import clan_chat as asynchronous_chat
from . import client as asynchronous
from . import notifications as asynchronous_notifications
from . import subscription as asynchronous_subscription
from . import topic as asynchronous_topic
from .errors import ClosedError, GatewayError, TimedOutError, closed_by_app, misused
from .events import Event, Position
from .listeners import Frame
from .messages import (
    ChatHistory,
    MessageSent,
    Presence,
    PublishAccepted,
    TopicHistory,
    TopicPresence,
)
from .state import State
from .stream import is_closed_by_app
from .tokens import TokenProvider

__all__ = ["ClanChat", "Client", "Notifications", "Subscription", "Topic"]

T = TypeVar("T")

STOP_LIMIT = 5.0
"""How many seconds the end of the thread may take."""

_open: weakref.WeakSet[_Thread] = weakref.WeakSet()


class _Thread:
    """A thread with an event loop, which begins with its first call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.pid = 0
        self._is_stopped = False

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the loop, and waits for it. Raises UsageError in a forked process, and in the thread itself."""
        try:
            loop = self._enter()
        except GatewayError:
            coroutine.close()
            raise
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            # Another thread has closed the client.
            raise closed_by_app() from None
        except Exception:
            raise
        except BaseException:
            # An interrupt, such as Ctrl+C, ends the waiting.
            future.cancel()
            raise

    def is_running(self) -> bool:
        """Returns whether the thread has begun, and not ended."""
        return self._thread is not None and not self._is_stopped

    def check(self) -> None:
        """Raises UsageError in a forked process, and in the thread itself."""
        if self._thread is None:
            return
        if os.getpid() != self.pid:
            raise misused(
                f"the client was used in process {self.pid} before it forked: make a new client in each process, for example in "
                "gunicorn's post_fork or Celery's worker_process_init"
            )
        if threading.current_thread() is self._thread:
            raise misused(
                "the client was called in its own event loop, which would wait for itself: use client.asynchronous in "
                "coroutines such as an asynchronous token provider"
            )

    def stop(self) -> None:
        """Ends the thread."""
        with self._lock:
            loop, thread = (None, None) if self._is_stopped else (self._loop, self._thread)
            self._is_stopped = True
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            if thread is not threading.current_thread():
                # Only code of the app that blocks the loop makes it take longer.
                thread.join(STOP_LIMIT)

    def _enter(self) -> asyncio.AbstractEventLoop:
        self.check()
        with self._lock:
            if self._is_stopped:
                raise closed_by_app()
            if self._loop is None:
                self._loop, self.pid = asyncio.new_event_loop(), os.getpid()
                self._thread = threading.Thread(target=_run, args=[self._loop], name="gateway-sync", daemon=True)
                self._thread.start()
                _open.add(self)
            return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        waiting = asyncio.all_tasks(loop)
        for task in waiting:
            task.cancel()
        if waiting:
            loop.run_until_complete(asyncio.gather(*waiting, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@atexit.register
def _stop_all() -> None:
    """Ends the threads of clients that were never closed, while the interpreter still works."""
    for thread in list(_open):
        if thread.pid == os.getpid():
            thread.stop()


class Client:
    """A client of one gateway, for any thread."""

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
        """Makes a client, with the arguments of `gateway.Client`. It does not connect yet, and has no thread yet."""
        self._thread = _Thread()
        self.asynchronous = asynchronous.Client(
            url,
            token=token,
            device_id=device_id,
            timeout=timeout,
            buffer=buffer,
            reconnect=reconnect,
            headers=headers,
            proxy=proxy,
            ssl=ssl,
            logger=logger,
            tap=tap,
        )
        """The client on the loop of the thread, for `run`."""

    def run(self, awaitable: Awaitable[T]) -> T:
        """Runs what belongs to `asynchronous` on the loop of the client, and waits for it: for example a call of generated code,
        `client.run(orders(client.asynchronous).cancel(request))`.
        """

        async def wait() -> T:
            return await awaitable

        return self._thread.run(wait())

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def connect(self, *, timeout: float | None = None) -> None:
        """Connects, and waits until that has succeeded."""
        self._thread.run(self.asynchronous.connect(timeout=timeout))

    @property
    def notifications(self) -> Notifications:
        """The notifications of the user."""
        return Notifications(self._thread, self.asynchronous.notifications)

    def clan_chat(self, clan_id: str) -> ClanChat:
        """Returns the chat of a clan."""
        return ClanChat(self._thread, self.asynchronous.clan_chat(clan_id))

    def topic(self, service: str, topic: str) -> Topic:
        """Returns a topic of a declared service."""
        return Topic(self._thread, self.asynchronous.topic(service, topic))

    def server_subscriptions(self) -> Subscription:
        """Returns the subscriptions that the server makes, with the events of all their topics."""
        return Subscription(self._thread, self.asynchronous.server_subscriptions())

    def call(self, service: str, method: str, data: Any, *, call_id: str | None = None, timeout: float | None = None) -> Any:
        """Calls the backend of a declared service with JSON, and returns the JSON of its response."""
        return self._thread.run(self.asynchronous.call(service, method, data, call_id=call_id, timeout=timeout))

    def request(self, command: str, fields: Mapping[str, Any] | None = None, *, timeout: float | None = None) -> Any:
        """Sends any command, and returns the JSON of the gateway's reply."""
        return self._thread.run(self.asynchronous.request(command, fields, timeout=timeout))

    @property
    def state(self) -> State:
        """The current state."""
        return self.asynchronous.state

    def states(self) -> Iterator[State]:
        """Gives the current state and then each later one, until the client is closed."""
        last = None
        for last in _iterate(self._thread, self.asynchronous.states()):
            yield last
        # The thread may have ended before it gave the last one.
        if last is None or last.status != "closed":
            yield self.state

    def wake(self) -> None:
        """Takes note that the network or the app is back."""
        self._thread.run(_called(self.asynchronous.wake))

    def close(self) -> None:
        """Closes the client, for which it waits at most two seconds. After that no thread and no socket of the client is left.
        A second call does nothing.
        """
        self._thread.check()
        if self._thread.is_running():
            # Another thread may close it at the same time.
            with contextlib.suppress(ClosedError):
                self._thread.run(self.asynchronous.close())
        else:
            # It was never used, so there is nothing to wait for.
            self.asynchronous._engine.end()  # pyright: ignore[reportPrivateUsage]  (both clients are one)
        self._thread.stop()

    def __del__(self) -> None:
        # An error of the constructor leaves none.
        client: asynchronous.Client | None = getattr(self, "asynchronous", None)
        if client is None or not self._thread.is_running() or client.state.status == "closed":
            return
        if os.getpid() == self._thread.pid:
            warnings.warn(f"unclosed {self!r}: call close, or use `with`", ResourceWarning, source=self, stacklevel=2)
            self._thread.stop()


class ClanChat:
    """The chat of a clan."""

    def __init__(self, thread: _Thread, chat: asynchronous_chat.ClanChat) -> None:
        self._thread = thread
        self._chat = chat

    @property
    def clan_id(self) -> str:
        """The id of the clan."""
        return self._chat.clan_id

    def subscribe(self, *, history: int = 0, position: Position | None = None, presence: bool = False) -> Subscription:
        """Returns a subscription to the messages."""
        return Subscription(self._thread, self._chat.subscribe(history=history, position=position, presence=presence))

    def send(
        self,
        content: str,
        *,
        message_type: Literal["TEXT", "IMAGE", "FILE"] | None = None,
        data: dict[str, Any] | None = None,
        client_message_id: str | None = None,
        timeout: float | None = None,
    ) -> MessageSent:
        """Sends a message, and waits until it is stored."""
        return self._thread.run(
            self._chat.send(content, message_type=message_type, data=data, client_message_id=client_message_id, timeout=timeout)
        )

    def set_typing(self, is_typing: bool) -> None:
        """Reports that the user types or has stopped."""
        self._thread.run(_called(lambda: self._chat.set_typing(is_typing)))

    def history(
        self,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> ChatHistory:
        """Returns a page of the history."""
        return self._thread.run(self._chat.history(before=before, after=after, limit=limit, timeout=timeout))

    def presence(self, *, timeout: float | None = None) -> Presence:
        """Returns the users who are present."""
        return self._thread.run(self._chat.presence(timeout=timeout))


class Topic:
    """A topic of a declared service."""

    def __init__(self, thread: _Thread, topic: asynchronous_topic.Topic) -> None:
        self._thread = thread
        self._topic = topic

    @property
    def service(self) -> str:
        """The name of the service."""
        return self._topic.service

    @property
    def name(self) -> str:
        """The name of the topic."""
        return self._topic.name

    def subscribe(
        self,
        *,
        history: int = 0,
        position: Position | None = None,
        presence: bool = False,
        presence_data: Any = None,
    ) -> Subscription:
        """Returns a subscription to the events."""
        subscription = self._topic.subscribe(history=history, position=position, presence=presence, presence_data=presence_data)
        return Subscription(self._thread, subscription)

    def publish(
        self, data: Any, *, client_message_id: str | None = None, timeout: float | None = None
    ) -> MessageSent | PublishAccepted:
        """Publishes JSON, and waits until it is stored, or accepted in a topic without history."""
        return self._thread.run(self._topic.publish(data, client_message_id=client_message_id, timeout=timeout))

    def history(
        self,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> TopicHistory:
        """Returns a page of the history."""
        return self._thread.run(self._topic.history(before=before, after=after, limit=limit, timeout=timeout))

    def presence(self, *, timeout: float | None = None) -> TopicPresence:
        """Returns the users who are present."""
        return self._thread.run(self._topic.presence(timeout=timeout))


class Notifications:
    """The notifications of the user."""

    def __init__(self, thread: _Thread, notifications: asynchronous_notifications.Notifications) -> None:
        self._thread = thread
        self._notifications = notifications

    def subscribe(self) -> Subscription:
        """Returns a subscription to the notifications."""
        return Subscription(self._thread, self._notifications.subscribe())

    def ack(self, *ids: str, timeout: float | None = None) -> None:
        """Acknowledges notifications, so that no device gets them again."""
        self._thread.run(self._notifications.ack(*ids, timeout=timeout))

    @property
    def pending(self) -> int | None:
        """The number of notifications that are not acknowledged; None while it is not known."""
        return self._notifications.pending

    def pending_counts(self) -> Iterator[int]:
        """Gives the number of notifications that are not acknowledged, and then each change, until the client is closed."""
        return _iterate(self._thread, self._notifications.pending_counts())


class Subscription:
    """One subscription of the app.

        with client.clan_chat("wolves").subscribe(history=10) as events:
            for event in events:
                ...

    Entering it subscribes and waits for the gateway's confirmation. Leaving it unsubscribes.
    """

    def __init__(self, thread: _Thread, subscription: asynchronous_subscription.Subscription) -> None:
        self._thread = thread
        self._subscription = subscription

    def __enter__(self) -> Subscription:
        self._thread.run(_awaited(self._subscription))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        try:
            return self.next()
        except GatewayError as error:
            if is_closed_by_app(error):
                raise StopIteration from None
            raise

    def next(self, *, timeout: float | None = None) -> Event:
        """Waits for the next event, some seconds or indefinitely. After them it raises `TimedOutError`, and no event is lost."""

        async def wait() -> Event:
            try:
                return await asyncio.wait_for(self._subscription.next(), timeout)
            except asyncio.TimeoutError:
                raise TimedOutError(f"there was no event in {timeout} s", code="timed_out", retryable=True) from None

        return self._thread.run(wait())

    @property
    def position(self) -> Position | None:
        """The position of the last event that was read, or where the subscription began."""
        return self._subscription.position

    def close(self) -> None:
        """Unsubscribes. A second call does nothing."""
        if self._thread.is_running():
            self._thread.run(_called(self._subscription.close))


async def _called(call: Callable[[], None]) -> None:
    call()


async def _awaited(subscription: asynchronous_subscription.Subscription) -> None:
    await subscription


def _iterate(thread: _Thread, items: AsyncIterator[T]) -> Iterator[T]:
    async def next_item() -> list[T]:
        try:
            return [await anext(items)]
        except StopAsyncIteration:
            return []

    while True:
        try:
            found = thread.run(next_item())
        except ClosedError:
            return
        if not found:
            return
        yield found[0]
