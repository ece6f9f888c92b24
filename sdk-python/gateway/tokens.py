"""Calls the app's token provider, outside of the SDK's loop."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

from .errors import SignedOut

TokenProvider: TypeAlias = Callable[[], str | Awaitable[str]]
"""A function that returns a fresh token, or a coroutine function. It is called whenever one is needed. A failed call is repeated
with backoff, unless it raises `SignedOut`. A function that is no coroutine function runs in a thread, so it may block.
"""

Result: TypeAlias = dict[str, Any]
"""The message for the core."""


class TokenCall:
    """One call of the provider. Its result is dropped after `cancel`."""

    def __init__(self, provider: TokenProvider, done: Callable[[Result], None]) -> None:
        self._provider = provider
        self._done = done
        self._loop = asyncio.get_running_loop()
        self._is_wanted = True
        self._task: asyncio.Task[None] | None = None
        if inspect.iscoroutinefunction(provider) or inspect.iscoroutinefunction(type(provider).__call__):
            self._task = self._loop.create_task(self._run())
        else:
            # A thread of its own: those of the loop's executor would stay after the client is closed.
            context = contextvars.copy_context()
            thread = threading.Thread(target=context.run, args=[self._run_in_thread], name="gateway-token", daemon=True)
            thread.start()

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task of a coroutine; None for a function."""
        return self._task

    def cancel(self) -> None:
        """Drops the result."""
        self._is_wanted = False
        if self._task is not None:
            self._task.cancel()

    async def _run(self, first: Awaitable[Any] | None = None) -> None:
        try:
            # Loops with eager tasks are still in the constructor.
            await asyncio.sleep(0)
            token = await (cast(Awaitable[Any], self._provider()) if first is None else first)
        except Exception as error:
            self._report(_failure(error))
        else:
            self._report(_success(token))

    def _run_in_thread(self) -> None:
        try:
            token: Any = self._provider()
        except Exception as error:
            result = _failure(error)
        else:
            if inspect.isawaitable(token):
                self._call_soon(self._continue, token)
                return
            result = _success(token)
        self._call_soon(self._report, result)

    def _call_soon(self, call: Callable[[Any], None], argument: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(call, argument)
        except RuntimeError:
            # The loop has ended, so the token is no longer wanted.
            if inspect.iscoroutine(argument):
                argument.close()

    def _continue(self, token: Awaitable[Any]) -> None:
        if self._is_wanted:
            self._task = self._loop.create_task(self._run(token))
        elif inspect.iscoroutine(token):
            token.close()

    def _report(self, result: Result) -> None:
        if self._is_wanted:
            self._is_wanted = False
            self._done(result)


def _success(token: Any) -> Result:
    if type(token) is not str:
        return {"type": "token_failed", "message": f"the token provider returned {type(token).__name__} instead of str"}
    try:
        token.encode()
    except UnicodeEncodeError:
        return {"type": "token_failed", "message": "the token has a character that is no Unicode"}
    return {"type": "token", "token": token}


def _failure(error: Exception) -> Result:
    text = str(error).encode(errors="replace").decode()
    message = f"{type(error).__name__}: {text}" if text else type(error).__name__
    failed: Result = {"type": "token_failed", "message": message}
    if isinstance(error, SignedOut):
        failed["signedOut"] = True
    return failed
