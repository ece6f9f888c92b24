"""One WebSocket: a task that opens and reads it, and one that writes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.protocol import Event
from websockets.typing import Subprotocol

from . import wire

if TYPE_CHECKING:
    from .engine import Engine

SUBPROTOCOL = Subprotocol("gateway.v1.json")
MAX_MESSAGE_BYTES = 4 << 20
"""Far beyond what the gateway sends, so that later versions may send more."""
CLOSE_TIMEOUT = 2.0
"""How many seconds the gateway may take to answer a close frame."""
CLOSED_ABNORMALLY = 1006


# The library logs frames at the level DEBUG, with tokens in them. The SDK has a logger and a tap of its own.
_SILENT = logging.Logger("gateway.websockets", logging.CRITICAL + 1)


class _Socket(ClientConnection):
    """Reports pings and pongs, which the library answers by itself, and ends with the close frame."""

    activity: Callable[[], None] | None = None

    def process_event(self, event: Event) -> None:
        super().process_event(event)
        if not isinstance(event, WebSocketFrame):
            return
        if event.opcode is Opcode.CLOSE:
            # The library would wait for the gateway to end the connection below it, which a broken network keeps from coming.
            self.loop.call_soon(self.transport.close)
            self.loop.call_later(CLOSE_TIMEOUT, self.transport.abort)
        elif event.opcode in (Opcode.PING, Opcode.PONG) and self.activity is not None:
            self.activity()


class _Connect(connect):
    """Follows no redirect, as browsers: the response has to come from the address that the app has named."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Connection:
    """A connection with the number that the core uses for it."""

    __slots__ = ("_closing", "_engine", "_expiry", "_number", "_socket", "_task", "_waiting", "_wake", "_writer")

    def __init__(self, engine: Engine, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self._engine = engine
        self._number = number
        self._socket: ClientConnection | None = None
        self._waiting: list[str] = []
        self._wake = asyncio.Event()
        self._closing: int | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._writer: asyncio.Task[None] | None = None
        self._task = loop.create_task(self._run(), name=f"gateway-connection-{number}")

    @property
    def task(self) -> asyncio.Task[None]:
        """The task, which ends with the connection."""
        return self._task

    def send(self, text: str) -> None:
        """Queues a message. The queue is bounded, because the core has one unanswered command per topic."""
        self._waiting.append(text)
        self._wake.set()

    def close(self, code: int) -> None:
        """Closes the connection after what is queued, and at the latest after two seconds. Nothing more is reported about it."""
        self._engine.forget_connection(self._number, self)
        if self._closing is not None:
            return
        self._closing = code
        if self._socket is None:
            self._task.cancel()
        else:
            self._expiry = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self.abort)
            self._wake.set()

    def abort(self) -> None:
        """Ends the connection without a closing handshake."""
        if self._socket is None:
            self._task.cancel()
        else:
            self._socket.transport.abort()

    async def _run(self) -> None:
        try:
            # Loops with eager tasks are still in the constructor.
            await asyncio.sleep(0)
            socket = await self._open()
            if socket is None:
                return
            self._socket = socket
            socket.activity = lambda: self._report({"type": "activity", "connection": self._number})
            self._writer = asyncio.get_running_loop().create_task(self._write(socket), name=f"gateway-writer-{self._number}")
            self._report({"type": "opened", "connection": self._number})
            code = await self._read(socket)
            if self._engine.forget_connection(self._number, self):
                self._engine.report({"type": "closed", "connection": self._number, "code": code})
        finally:
            self._engine.forget_connection(self._number, self)
            if self._expiry is not None:
                self._expiry.cancel()
            if self._writer is not None:
                self._writer.cancel()
            if self._socket is not None:
                self._socket.transport.abort()
                await asyncio.gather(self._writer or _nothing(), self._socket.wait_closed(), return_exceptions=True)
            self._engine.connection_ended(self)

    def _report(self, head: dict[str, Any]) -> None:
        if self._engine.is_current(self._number, self):
            self._engine.report(head)

    async def _open(self) -> _Socket | None:
        """Opens the connection, or says to the core why that failed."""
        options = self._engine.options
        kwargs: dict[str, Any] = {} if options.ssl is None else {"ssl": options.ssl}
        try:
            socket = await _Connect(
                options.url,
                create_connection=_Socket,
                subprotocols=[SUBPROTOCOL],
                additional_headers=options.headers,
                proxy=True if options.proxy is True else options.proxy or None,
                compression=None,
                ping_interval=None,
                open_timeout=None,
                close_timeout=CLOSE_TIMEOUT,
                max_size=MAX_MESSAGE_BYTES,
                logger=_SILENT,
                **kwargs,
            )
            assert isinstance(socket, _Socket)
            return socket
        except Exception as error:
            failed: dict[str, Any] = {
                "type": "open_failed",
                "connection": self._number,
                "message": _described(error),
            }
            if isinstance(error, InvalidStatus):
                failed["status"] = error.response.status_code
                retry_after = error.response.headers.get("Retry-After")
                if retry_after is not None:
                    failed["retryAfter"] = retry_after
            if self._engine.forget_connection(self._number, self):
                self._engine.report(failed)
            return None

    async def _read(self, socket: ClientConnection) -> int:
        """Passes frames to the core until the connection ends. Returns the close code."""
        engine, number = self._engine, self._number
        try:
            while True:
                text = await socket.recv()
                if type(text) is str and engine.is_current(number, self):
                    engine.listeners.show(False, number, text)
                    engine.report_text(wire.frame(number, text))
        except ConnectionClosed as error:
            return CLOSED_ABNORMALLY if error.rcvd is None else error.rcvd.code
        except Exception as error:
            # The core has to know that the connection has ended, whatever ended it.
            engine.listeners.log_problem(f"a connection of the gateway client failed: {_described(error)}")
            return CLOSED_ABNORMALLY

    async def _write(self, socket: ClientConnection) -> None:
        """Writes what is queued, and then closes the connection if that was requested."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    await socket.send(self._waiting.pop(0))
                if self._closing is not None:
                    await socket.close(self._closing)
                    return
        except ConnectionClosed:
            # The reader reports it, with the code of the close frame.
            return


async def _nothing() -> None:
    return


def _described(error: Exception) -> str:
    text = str(error).encode(errors="replace").decode()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
