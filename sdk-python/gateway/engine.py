"""The driver: passes inputs to the core in one order, and carries out what it returns. It decides nothing.

An input is passed by what has it: a frame, a call, the timer. All of that happens on the loop of the client, so no lock is
needed.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from . import wire
from .clock import Clock
from .codec import DecodeError
from .errors import ClosedError, GatewayError, TrapError, closed_by_app, copy_of, from_core, invalid
from .events import Position
from .guard import Guard
from .listeners import Listeners
from .messages import Connected
from .options import Options
from .state import State
from .tokens import Result, TokenCall
from .version import VERSION

if TYPE_CHECKING:
    from ._core import Core
    from .connection import Connection
    from .stream import Stream

CLOSE_LIMIT = 2.5
"""How many seconds closing may take."""


class Engine:
    """One client of the core, with its connections, calls and streams."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.guard = Guard()
        self.clock = Clock()
        self.listeners = Listeners(options.tap, options.logger)
        self.state = State("idle")
        self.pending: int | None = None
        """The number of pending notifications; None while it is not known."""
        self.changed = asyncio.Event()
        """Set, and replaced by another one, when the state or the number of pending notifications has changed."""
        self.calls: dict[int, asyncio.Future[str]] = {}
        self.streams: dict[int, Stream] = {}
        self._core: Core | None = None
        self._trap: TrapError | None = None
        self._last = 0
        self._connections: dict[int, Connection] = {}
        self._running: set[Connection] = set()
        self._token: TokenCall | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due: int | None = None

    # Inputs

    def handle(self, text: str) -> None:
        """Passes an input to the core and carries out its messages in order. Raises GatewayError if it was not accepted."""
        if self.state.status == "closed":
            raise closed_by_app()
        if self._trap is not None:
            raise copy_of(self._trap)
        if self._core is None:
            self._core = self._open_core()
        now, slept = self.clock.read()
        if slept:
            self._step(now, '{"type":"woken"}\n')
        self._step(now, text)
        self._set_timer()

    def report_text(self, text: str) -> None:
        """Passes on what has happened."""
        if self._core is None or self._trap is not None:
            return
        try:
            self.handle(text)
        except ClosedError:
            return
        except GatewayError as error:
            # An input that the core does not accept is a bug of this driver, which ends the client: otherwise it would wait for
            # something that the core does not know.
            self.end_by_trap(error)

    def report(self, head: dict[str, Any]) -> None:
        """Passes on what has happened."""
        self.report_text(wire.compose(head))

    def next_number(self) -> int:
        """Returns the number of a call or stream."""
        self._last += 1
        return self._last

    def take(self, number: int) -> tuple[dict[str, Any], str] | None:
        """Returns the next item of a stream. Raises GatewayError if the core has failed."""
        if self._core is None:
            return None
        try:
            output = self._core.take(number)
            item = next(wire.split(output), None)
        except Exception as error:
            raise self.end_by_trap(error) from error
        if item is not None:
            if item[0].get("due"):
                self.report({"type": "tick"})
            else:
                self._set_timer()
        return item

    def connect(self) -> None:
        """Begins to connect, and starts again after a final state."""
        # After a failure of the core a new one begins.
        self._trap = None
        if self._core is not None and self.state.status in ("replaced", "unauthorized", "failed"):
            self.handle('{"type":"resume"}\n')
            return
        if self._core is None and self.state.status == "failed":
            self._become(State("idle"))
        self.handle('{"type":"connect"}\n')

    def _step(self, now: int, text: str) -> None:
        """Passes one input, and carries out its messages."""
        from . import _core

        assert self._core is not None
        try:
            for head, body in wire.split(self._core.handle(now, text)):
                carry_out = self._ACTIONS.get(head["type"])
                if carry_out is not None:
                    carry_out(self, head, body)
        except _core.InputError as error:
            raise invalid(str(error)) from None
        except Exception as error:
            raise self.end_by_trap(error) from error

    # Outputs. They must not wait, and must not call the core.

    def _on_open(self, head: dict[str, Any], body: str) -> None:
        # Here, so that the import of the package loads no network library.
        from .connection import Connection

        connection = Connection(self, head["connection"], asyncio.get_running_loop())
        self._connections[head["connection"]] = connection
        self._running.add(connection)

    def _on_send(self, head: dict[str, Any], body: str) -> None:
        self.listeners.show(True, head["connection"], body)
        connection = self._connections.get(head["connection"])
        if connection is not None:
            connection.send(body)

    def _on_close(self, head: dict[str, Any], body: str) -> None:
        connection = self._connections.get(head["connection"])
        if connection is not None:
            connection.close(head["code"])

    def _on_request_token(self, head: dict[str, Any], body: str) -> None:
        self._cancel_token()
        self._token = TokenCall(self.options.provider, self._on_token)

    def _on_token(self, result: Result) -> None:
        self._token = None
        self.report(result)

    def _on_subscribed(self, head: dict[str, Any], body: str) -> None:
        stream = self.streams.get(head["stream"])
        if stream is not None:
            position = head.get("position")
            stream.subscribed(None if position is None else Position.decode(position), _error_of(head))

    def _on_ready(self, head: dict[str, Any], body: str) -> None:
        stream = self.streams.get(head["stream"])
        if stream is not None:
            stream.signal.set()

    def _on_ended(self, head: dict[str, Any], body: str) -> None:
        stream = self.streams.get(head["stream"])
        if stream is not None:
            stream.end_with(from_core(head["error"]))

    def _on_result(self, head: dict[str, Any], body: str) -> None:
        self._settle(head["call"], body, _error_of(head))

    def _on_state(self, head: dict[str, Any], body: str) -> None:
        session = None
        if body:
            import json

            try:
                session = Connected.decode(json.loads(body))
            except DecodeError as error:
                # The core has checked what it needs. A field that this version cannot read leaves the rest.
                self.listeners.log_problem(f"the gateway's greeting cannot be read: {error}")
        attempt = head.get("nextAttempt")
        if attempt is not None:
            attempt = datetime.now(timezone.utc) + timedelta(seconds=self.clock.until(attempt))
        self._become(State(head["status"], session, _error_of(head), attempt))

    def _on_pending(self, head: dict[str, Any], body: str) -> None:
        self.pending = head["count"]
        self._announce()

    # Connections

    def is_current(self, number: int, connection: Connection) -> bool:
        """Returns whether the core wants to know about a connection."""
        return self._connections.get(number) is connection

    def forget_connection(self, number: int, connection: Connection) -> bool:
        """Reports nothing more about a connection. Returns whether the core wanted to know about it."""
        # After a failure of the core, another connection may have the number.
        if not self.is_current(number, connection):
            return False
        del self._connections[number]
        return True

    def connection_ended(self, connection: Connection) -> None:
        """Takes note that nothing is left of a connection."""
        self._running.discard(connection)

    # The end

    async def close(self) -> None:
        """Ends everything, and waits for at most two seconds until nothing is left."""
        token = None if self._token is None else self._token.task
        self.end()
        tasks = {connection.task for connection in self._running}
        if token is not None:
            tasks.add(token)
        # The provider may close the client.
        tasks.discard(asyncio.current_task())
        if tasks:
            # A connection takes two seconds at most. A provider may refuse to be cancelled.
            await asyncio.wait(tasks, timeout=CLOSE_LIMIT)
        if not self.listeners.is_idle:
            # In a thread, because the listeners of the app may block.
            await _in_thread(lambda: self.listeners.close(2.0))

    def end(self) -> None:
        """Ends everything. Connections are being closed afterwards."""
        if self.state.status == "closed":
            return
        self.report({"type": "close"})
        self._drop_core()
        # What the core has left, if there was one.
        for connection in list(self._connections.values()):
            connection.close(1000)
        self._end_all(closed_by_app())
        if self.state.status != "closed":
            self._become(State("closed"))
        self.listeners.close(0)

    def abort(self) -> None:
        """Ends everything without waiting for the gateway, for a client that the app has forgotten."""
        self.end()
        for connection in list(self._running):
            connection.abort()

    def end_by_trap(self, cause: Exception) -> TrapError:
        """Ends everything after a failure of the core, until `connect` makes a new one."""
        if self._trap is None:
            trap = TrapError(str(cause), code="trap", outcome="unknown")
            trap.__cause__ = cause
            self._trap = trap
            self._drop_core()
            for connection in list(self._connections.values()):
                connection.close(1000)
            self._end_all(trap)
            self._become(State("failed", error=trap))
        error = copy_of(self._trap)
        assert isinstance(error, TrapError)
        return error

    def _end_all(self, error: GatewayError) -> None:
        for number in list(self.calls):
            self._settle(number, "", copy_of(error))
        for stream in list(self.streams.values()):
            stream.end_with(error)
        self.streams.clear()

    def _drop_core(self) -> None:
        self._core, self._due = None, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._cancel_token()

    def _cancel_token(self) -> None:
        if self._token is not None:
            self._token.cancel()
            self._token = None

    def _open_core(self) -> Core:
        from . import _core

        shortest, longest = self.options.reconnect
        config: dict[str, Any] = {
            "seed": [secrets.randbits(32) for _ in range(4)],
            "name": "gateway-python",
            "version": VERSION,
            "reconnect": [int(shortest * 1_000), int(longest * 1_000)],
        }
        if self.options.device_id is not None:
            config["deviceId"] = self.options.device_id
        try:
            return _core.Core(wire.fields(config))
        except (_core.InputError, UnicodeEncodeError) as error:
            raise invalid(str(error)) from None

    def _settle(self, number: int, body: str, error: GatewayError | None) -> None:
        future = self.calls.pop(number, None)
        if future is None or future.done():
            return
        if error is None:
            future.set_result(body)
        else:
            future.set_exception(error)

    def _become(self, state: State) -> None:
        if state.error is None and state.status in ("connecting", "reconnecting"):
            # During an attempt the cause of the last failure is kept.
            state = State(state.status, state.session, self.state.error, state.next_attempt)
        if state.status != self.state.status:
            self.listeners.log_state(state)
        self.state = state
        self._announce()

    def _announce(self) -> None:
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    def _set_timer(self) -> None:
        if self._core is None:
            return
        due = self._core.deadline()
        if due == self._due:
            return
        self._due = due
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = asyncio.get_running_loop().call_later(self.clock.until(due), self._tick)

    def _tick(self) -> None:
        self._due, self._timer = None, None
        # A tick that is early or late does no harm.
        self.report({"type": "tick"})

    _ACTIONS: ClassVar[dict[str, Callable[[Engine, dict[str, Any], str], None]]] = {
        "open": _on_open,
        "send": _on_send,
        "close": _on_close,
        "request_token": _on_request_token,
        "subscribed": _on_subscribed,
        "ready": _on_ready,
        "ended": _on_ended,
        "result": _on_result,
        "state": _on_state,
        "pending": _on_pending,
    }
    """What the actions of the core do, by their type."""


def _error_of(head: dict[str, Any]) -> GatewayError | None:
    error = head.get("error")
    return None if error is None else from_core(error)


async def _in_thread(call: Callable[[], None]) -> None:
    """Waits for a call that blocks, in a thread that ends with it."""
    import threading

    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not done.done():
            done.set_result(None)

    def run() -> None:
        call()
        loop.call_soon_threadsafe(settle)

    thread = threading.Thread(target=run, name="gateway-close", daemon=True)
    thread.start()
    await done
    thread.join()
