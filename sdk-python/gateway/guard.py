"""Checks that a client is used where it works: on one event loop, in the process that began to use it."""

from __future__ import annotations

import asyncio
import os

from .errors import misused


class Guard:
    """Remembers the event loop and the process of the first use."""

    __slots__ = ("loop", "pid")

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.pid = 0

    def enter(self) -> asyncio.AbstractEventLoop:
        """Returns the loop of the client, which is the running one from the first use on. Raises UsageError elsewhere."""
        if self.loop is not None and os.getpid() != self.pid:
            raise misused(
                f"the client was used in process {self.pid} before it forked: make a new client in each process, for example "
                "in gunicorn's post_fork or Celery's worker_process_init"
            )
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            raise misused(
                "no event loop is running in this thread: use the client in a coroutine, or use gateway.sync.Client"
            ) from None
        if self.loop is None:
            self.loop, self.pid = running, os.getpid()
        elif self.loop is not running:
            ended = " which has ended" if self.loop.is_closed() else ""
            raise misused(
                f"the client belongs to another event loop{ended}: make a client for each loop, and close it before its loop "
                "ends, or use gateway.sync.Client, which any thread may call"
            )
        return running

    def is_here(self) -> bool:
        """Returns whether the client was used, in this process, and its loop still exists."""
        return self.loop is not None and not self.loop.is_closed() and os.getpid() == self.pid
