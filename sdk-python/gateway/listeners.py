"""Calls the tap and the logger of the app, in a thread that ends when there is nothing to do: they may block."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .state import State

MAX_WAITING = 1_000
"""How many frames and log records wait for the app."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of the connection, as the option `tap` gets it."""

    sent: bool
    """Whether the SDK sent the message; otherwise the gateway did."""
    text: str
    """The JSON. A token in it is shown as "…"."""
    connection: int
    """The number of the connection, from 1."""
    time: float
    """When the message was sent or received, in seconds since 1970."""
    dropped: int
    """The number of frames before this one that were dropped, because the tap was too slow."""


class Listeners:
    """The tap and the logger of a client."""

    def __init__(self, tap: Callable[[Frame], object] | None, logger: logging.Logger | None) -> None:
        self.tap = tap
        self._logger = logger
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[int], None]] = deque()
        self._dropped = 0
        self._thread: threading.Thread | None = None
        self._closed = False

    def show(self, sent: bool, connection: int, text: str) -> None:
        """Shows a frame to the tap."""
        tap = self.tap
        if tap is None:
            return
        shown, now = masked(text), time.time()

        def call(dropped: int) -> None:
            try:
                tap(Frame(sent, shown, connection, now, dropped))
            except Exception:
                self._log(logging.ERROR, "the tap of the gateway client failed", exc_info=True)

        self._notify(call)

    def log_state(self, state: State) -> None:
        """Writes a change of the state to the logger. No content and no token is logged."""
        if self._logger is None:
            return
        level, text = logging.INFO, f"the gateway client is {state.status}"
        if state.error is not None:
            level, text = logging.WARNING, f"{text}: {state.error.code}: {state.error.message}"
        self._notify(lambda _: self._log(level, text))

    def log_problem(self, text: str) -> None:
        """Writes a problem to the logger that has no other place."""
        self._notify(lambda _: self._log(logging.WARNING, text))

    def close(self, wait: float) -> None:
        """Takes nothing more. What waits is still shown, for which this waits some seconds."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(wait)

    @property
    def is_idle(self) -> bool:
        """Whether no thread runs."""
        with self._lock:
            return self._thread is None

    def _log(self, level: int, text: str, exc_info: bool = False) -> None:
        if self._logger is None:
            return
        try:
            self._logger.log(level, text, exc_info=exc_info)
        except Exception:
            # The handlers of the logger are code of the app too, and there is no other place to report to.
            return

    def _notify(self, call: Callable[[int], None]) -> None:
        with self._lock:
            if self._closed:
                return
            if len(self._waiting) >= MAX_WAITING:
                self._dropped += 1
                return
            self._waiting.append(call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="gateway-listeners", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                call, dropped = self._waiting.popleft(), self._dropped
                self._dropped = 0
            call(dropped)


def masked(text: str) -> str:
    """Returns a frame without its token."""
    if '"authenticate"' not in text:
        return text
    import json

    try:
        message: Any = json.loads(text)
    except ValueError:
        return text
    members: dict[str, Any] = message
    if type(message) is not dict or members.get("type") != "authenticate" or "token" not in members:
        return text
    members["token"] = "…"
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"))
