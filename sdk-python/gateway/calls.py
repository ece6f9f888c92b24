"""Calls: a request of the app, for whose result it waits."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from . import wire
from .codec import DecodeError
from .errors import GatewayError, InvalidError, invalid
from .options import milliseconds, seconds

if TYPE_CHECKING:
    from .engine import Engine

T = TypeVar("T")


def new_id() -> str:
    """Returns a random id."""
    return secrets.token_hex(16)


def without_none(**fields: Any) -> dict[str, Any]:
    """Returns the fields of a command that are given."""
    return {name: value for name, value in fields.items() if value is not None}


def timeout_ms(engine: Engine, timeout: float | None) -> int | None:
    """Returns the time limit of a call: its own, or else that of the client; None for no limit."""
    limit = engine.options.timeout if timeout is None else seconds("timeout", timeout)
    return milliseconds(limit)


def begin(
    engine: Engine,
    kind: Literal["call", "request"],
    command: str,
    fields: Any,
    timeout: float | None,
    future: asyncio.Future[str] | None,
) -> int:
    """Passes a request to the core. Its result settles the future, if there is one."""
    limit = timeout_ms(engine, timeout)
    number = engine.next_number()
    head: dict[str, Any] = {"type": kind, "call": number, "command": command}
    if limit is not None:
        head["timeoutMs"] = limit
    try:
        text = wire.compose(head, wire.fields(fields))
    except (TypeError, ValueError, RecursionError) as error:
        # Encoding runs before anything is passed on: what is no JSON, or no Unicode.
        raise invalid(f"{command}: {error}") from error
    if future is not None:
        engine.calls[number] = future
    try:
        engine.handle(text)
    except GatewayError:
        engine.calls.pop(number, None)
        raise
    return number


async def call(engine: Engine, kind: Literal["call", "request"], command: str, fields: Any, timeout: float | None) -> str:
    """Makes a request and waits for its result. A `call` is repeated after a lost connection if that is safe, and a `request`
    never is.
    """
    loop = engine.guard.enter()
    future: asyncio.Future[str] = loop.create_future()
    try:
        number = begin(engine, kind, command, fields, timeout, future)
    except GatewayError:
        if future.done():
            # The failure of the core has settled it too. Reading it keeps asyncio from reporting it.
            future.exception()
        raise
    try:
        return await future
    finally:
        # Only the waiting ends, if it was cancelled. The connection does not notice.
        engine.calls.pop(number, None)


async def reply(engine: Engine, command: str, fields: Any, timeout: float | None, decode: Callable[[Any], T]) -> T:
    """Makes a call, and reads the gateway's reply."""
    return read_reply(await call(engine, "call", command, fields, timeout), decode)


def read_reply(text: str, decode: Callable[[Any], T]) -> T:
    """Reads the gateway's reply."""
    try:
        return decode(json.loads(text))
    except DecodeError as error:
        problem = InvalidError(f"the gateway's reply: {error}", code="invalid", outcome="unknown")
        raise problem from error
