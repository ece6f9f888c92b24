"""The lines of the adapter, and errors as the kit wants them."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from gateway import GatewayError

CANCELED: dict[str, Any] = {"code": "canceled", "outcome": "unknown", "retryable": True}
"""The error of a call that the kit has canceled."""


class UnsupportedError(Exception):
    """The adapter does not know the command."""


def emit(**line: Any) -> None:
    """Writes a line. Fields that are None are left out."""
    text = json.dumps({name: value for name, value in line.items() if value is not None}, separators=(",", ":"))
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def failure(error: Exception) -> dict[str, Any]:
    """Returns an error in the words of all SDKs."""
    if not isinstance(error, GatewayError):
        return {"code": _code(error), "outcome": "not_sent", "retryable": False, "message": str(error)}
    failed: dict[str, Any] = {
        "code": error.code,
        "outcome": error.outcome,
        "retryable": error.retryable,
        "message": error.message,
    }
    if error.retry_after is not None:
        failed["retryAfterMs"] = round(error.retry_after * 1_000)
    if error.close_code is not None:
        failed["closeCode"] = error.close_code
    return failed


def _code(error: Exception) -> str:
    if isinstance(error, UnsupportedError):
        return "unsupported"
    return "timed_out" if isinstance(error, asyncio.TimeoutError) else "invalid"
