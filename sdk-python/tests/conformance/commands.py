"""The commands of the kit, as calls of the SDK."""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, TypeAlias

from output import UnsupportedError, emit, failure
from reader import Reader

from gateway import ClanChat, Client, Notifications, Position, SignedOut, Topic

Command: TypeAlias = "dict[str, Any]"


class Commands:
    """Carries out commands, and keeps what they have made."""

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}
        self._streams: dict[str, tuple[str, Reader]] = {}
        """The readers, each with the name of its client."""
        self._questions: dict[int, asyncio.Future[str]] = {}
        """The calls of token providers that the kit has not answered."""
        self._numbers = count(1)
        self._watchers: dict[str, list[asyncio.Task[None]]] = {}
        """The tasks that report the states and the pending notifications of each client."""

    async def carry_out(self, command: Command) -> Any:
        """Returns the value of a command."""
        action = _ACTIONS.get(command["do"])
        if action is None:
            raise UnsupportedError(f"there is no command {command['do']}")
        return await action(self, command)

    async def open(self, command: Command) -> None:
        """Makes a client, and reports its states and pending notifications."""
        name: str = command["client"]

        async def token() -> str:
            ask = next(self._numbers)
            question: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            self._questions[ask] = question
            emit(event="token", client=name, ask=ask)
            try:
                return await question
            finally:
                self._questions.pop(ask, None)

        options: dict[str, Any] = {"device_id": command.get("deviceId")}
        if "timeoutMs" in command:
            options["timeout"] = _timeout(command)
        if "buffer" in command:
            options["buffer"] = command["buffer"]
        if "caFile" in command:
            options["ssl"] = ssl.create_default_context(cafile=command["caFile"])
        client = Client(command["url"], token=token, **options)
        self._clients[name] = client
        self._watchers[name] = [
            asyncio.create_task(_report_states(name, client)),
            asyncio.create_task(_report_pending(name, client)),
        ]

    async def connect(self, command: Command) -> None:
        """Connects."""
        await self._client(command).connect(timeout=_timeout(command))

    async def subscribe(self, command: Command) -> dict[str, Any] | None:
        """Subscribes, and starts a reader."""
        about = self._about(command)
        if isinstance(about, Notifications):
            opening = about.subscribe()
        else:
            start = command.get("from")
            opening = about.subscribe(
                history=command.get("history") or 0,
                position=None if start is None else Position.decode(start),
                presence=command.get("presence") is True,
            )
        subscription = await asyncio.wait_for(opening, _timeout(command))
        position = subscription.position
        allowed = command.get("read")
        reader = Reader(command["stream"], subscription, math.inf if allowed is None else allowed)
        self._streams[command["stream"]] = (command["client"], reader)
        return None if position is None else position.encode()

    async def read(self, command: Command) -> None:
        """Lets a reader read more items."""
        self._streams[command["stream"]][1].read(command["count"])

    async def leave(self, command: Command) -> None:
        """Leaves a subscription."""
        self._streams[command["stream"]][1].leave()

    async def send(self, command: Command) -> Any:
        """Sends a chat message, or publishes to a topic."""
        about, data = self._about(command), command["data"]
        message_id, timeout = command.get("clientMessageId"), _timeout(command)
        if isinstance(about, Topic):
            return (await about.publish(data, client_message_id=message_id, timeout=timeout)).encode()
        chat = _chat(about)
        kind, more = data.get("messageType"), data.get("data")
        sent = await chat.send(data["content"], message_type=kind, data=more, client_message_id=message_id, timeout=timeout)
        return sent.encode()

    async def ack(self, command: Command) -> None:
        """Acknowledges notifications."""
        await self._client(command).notifications.ack(*command["ids"], timeout=_timeout(command))

    async def history(self, command: Command) -> Any:
        """Reads a page of the history."""
        about = self._about(command)
        page = {name: command.get(name) for name in ("before", "after", "limit")}
        if isinstance(about, Topic):
            return (await about.history(**page, timeout=_timeout(command))).encode()
        return (await _chat(about).history(**page, timeout=_timeout(command))).encode()

    async def presence(self, command: Command) -> Any:
        """Asks who is present."""
        about = self._about(command)
        if isinstance(about, Topic):
            return (await about.presence(timeout=_timeout(command))).encode()
        return (await _chat(about).presence(timeout=_timeout(command))).encode()

    async def typing(self, command: Command) -> None:
        """Reports that the user types, or has stopped."""
        _chat(self._about(command)).set_typing(command["isTyping"])

    async def call(self, command: Command) -> Any:
        """Calls the backend of a service."""
        client = self._client(command)
        return await client.call(command["service"], command["call"], command["data"], timeout=_timeout(command))

    async def request(self, command: Command) -> Any:
        """Sends any command."""
        return await self._client(command).request(command["type"], command["fields"], timeout=_timeout(command))

    async def token(self, command: Command) -> None:
        """Answers a call of a token provider. One that is no longer wanted gets no answer."""
        question = self._questions.get(command["ask"])
        if question is None or question.done():
            return
        if "token" in command:
            question.set_result(command["token"])
        elif command.get("signedOut") is True:
            question.set_exception(SignedOut())
        else:
            question.set_exception(RuntimeError(command["error"]))

    async def wake(self, command: Command) -> None:
        """Reports that the network is back."""
        self._client(command).wake()

    async def close(self, command: Command) -> None:
        """Closes a client."""
        await self._end(command["client"], self._client(command))

    async def reset(self, _: Command | None = None) -> None:
        """Closes all clients and forgets all names. What ends by it is reported first."""
        clients, watchers = self._clients, [task for tasks in self._watchers.values() for task in tasks]
        readers = [reader.task for _, reader in self._streams.values()]
        ending = [self._end(name, client) for name, client in clients.items()]
        await asyncio.gather(*ending)
        await asyncio.gather(*readers, *watchers)
        self._clients, self._streams, self._watchers = {}, {}, {}

    async def _end(self, name: str, client: Client) -> None:
        await client.close()
        # A reader that waits for the permission of the kit does not notice the end by itself.
        for own, reader in self._streams.values():
            if own == name:
                reader.leave()

    def _client(self, command: Command) -> Client:
        return self._clients[command["client"]]

    def _about(self, command: Command) -> Notifications | ClanChat | Topic:
        client, topic = self._client(command), command["topic"]
        if topic == "notifications":
            return client.notifications
        if "clan" in topic:
            return client.clan_chat(topic["clan"])
        return client.topic(topic["service"], topic["topic"])


async def _report_states(name: str, client: Client) -> None:
    async for state in client.states():
        emit(event="state", client=name, status=state.status, error=None if state.error is None else failure(state.error))


async def _report_pending(name: str, client: Client) -> None:
    async for pending in client.notifications.pending_counts():
        emit(event="pending", client=name, count=pending)


def _chat(about: Notifications | ClanChat | Topic) -> ClanChat:
    if isinstance(about, ClanChat):
        return about
    raise UnsupportedError(f"{type(about).__name__} has no such command")


def _timeout(command: Command) -> float | None:
    limit = command.get("timeoutMs")
    return None if limit is None else limit / 1_000


_ACTIONS: dict[str, Callable[[Commands, Command], Awaitable[Any]]] = {
    "open": Commands.open,
    "connect": Commands.connect,
    "subscribe": Commands.subscribe,
    "read": Commands.read,
    "leave": Commands.leave,
    "send": Commands.send,
    "ack": Commands.ack,
    "history": Commands.history,
    "presence": Commands.presence,
    "typing": Commands.typing,
    "call": Commands.call,
    "request": Commands.request,
    "token": Commands.token,
    "wake": Commands.wake,
    "close": Commands.close,
    "reset": Commands.reset,
}
