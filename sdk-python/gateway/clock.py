"""The clock of a client."""

from __future__ import annotations

import time

MIN_SLEEP = 2.0
"""The least advance of the wall clock in seconds that counts as sleep. A smaller one is an adjustment of the clock."""


class Clock:
    """Counts milliseconds from its start. Python's monotonic clock stands still while most devices sleep, so the wall clock shows
    that. If the wall clock was set instead, a ping does no harm.
    """

    __slots__ = ("_ahead", "skew", "started", "wall_started")

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.wall_started = time.time()
        self._ahead = 0.0
        self.skew = 0.0
        """Seconds that tests add to the wall clock."""

    def read(self) -> tuple[int, bool]:
        """Returns the time, and whether the device has slept since the last reading."""
        monotonic = time.monotonic() - self.started
        ahead = max(0.0, time.time() + self.skew - self.wall_started - monotonic)
        slept = ahead - self._ahead >= MIN_SLEEP
        self._ahead = ahead
        return int(monotonic * 1_000), slept

    def until(self, at: int) -> float:
        """Returns the seconds until a time of this clock."""
        return max(0.0, at / 1_000 - (time.monotonic() - self.started))
