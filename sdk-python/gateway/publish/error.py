"""The error of publishing: what the gateway refuses, and what never reached it."""

from __future__ import annotations

import json
import re
import time
from email.utils import parsedate_to_datetime
from typing import Any

from ..codec import DecodeError, Unset
from ..errors import GatewayError, Outcome
from .api import Problem
from .exchange import HttpAnswer

UNCONFIRMED = frozenset({500, 502, 503, 504})
"""Statuses after which the gateway may have stored a publication that it could not confirm."""

REPEATABLE = UNCONFIRMED | {408, 429}
"""Statuses after which the same request may succeed later."""


class PublishError(GatewayError):
    """The error of a failed call. Its code is one of the gateway, such as `conflict` and `rate_limited`, or `connection` when
    there was no answer in time, or `unreadable` when the answer is not one of a gateway.
    """

    def __init__(self, message: str, *, code: str, outcome: Outcome = "not_sent", retryable: bool = False) -> None:
        super().__init__(message, code=code, outcome=outcome, retryable=retryable)
        self.status: int | None = None
        """The HTTP status; None if there was no answer."""


def no_answer(cause: BaseException) -> PublishError:
    """Returns the error of an attempt without an answer. The gateway may have got the request."""
    text = f"there was no answer: {str(cause) or type(cause).__name__}"
    return PublishError(text, code="connection", outcome="unknown", retryable=True)


def unreadable(answer: HttpAnswer, cause: str) -> PublishError:
    """Returns the error of a good answer that has not the JSON of its type."""
    error = PublishError(f"the answer cannot be read: {cause}", code="unreadable", outcome="unknown")
    error.status = answer.status
    return error


def refusal(answer: HttpAnswer) -> PublishError:
    """Returns the error of an answer with another status than 2xx."""
    status, problem = answer.status, _problem(answer.body)
    if problem is None:
        # A proxy has answered, or something that is no gateway.
        error = PublishError(f"the answer has the status {status}", code="unreadable", outcome="refused")
    else:
        error = PublishError(problem.detail, code=problem.code, outcome="refused")
        error.details = None if isinstance(problem.details, Unset) else problem.details
    error.status = status
    error.retryable = status in REPEATABLE
    if status in UNCONFIRMED:
        error.outcome = "unknown"
    asked = retry_after(answer.headers.get("retry-after", ""), time.time())
    if asked is None and problem is not None and problem.retry_after_ms is not None:
        asked = problem.retry_after_ms / 1_000
    error.retry_after = asked
    return error


def _problem(body: bytes) -> Problem | None:
    try:
        members: Any = json.loads(body)
        return Problem.decode(members)
    except (DecodeError, ValueError, RecursionError):
        return None


def retry_after(header: str, now: float) -> float | None:
    """Reads the header: seconds or a date. Returns seconds."""
    if re.fullmatch("[0-9]{1,9}", header):
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return None
