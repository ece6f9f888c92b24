"""The decisions about repeating a request. It reads no clock and waits for nothing."""

from __future__ import annotations

import random

from ..errors import Outcome
from .error import PublishError
from .options import Options


class Retry:
    """The attempts of one call."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._attempts = 0
        self._outcome: Outcome = "not_sent"

    def wait_after(self, error: PublishError) -> float:
        """Returns how many seconds to wait before the next attempt. Raises the error if there is none."""
        self._attempts += 1
        # An earlier attempt may have had its effect.
        if self._outcome != "unknown":
            self._outcome = error.outcome
        error.outcome = self._outcome
        asked = error.retry_after or 0.0
        if not error.retryable or self._attempts >= self._options.attempts or asked > self._options.backoff[1]:
            raise error
        return max(asked, self._backoff())

    def _backoff(self) -> float:
        """Returns a random wait, whose bounds grow with each attempt."""
        shortest, longest = self._options.backoff
        # Larger exponents have no floating-point number, and the longest wait is reached before.
        most = min(shortest * 2.0 ** min(self._attempts - 1, 64), longest)
        return random.uniform(most / 2, most)
