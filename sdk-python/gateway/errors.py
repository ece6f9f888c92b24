"""The errors of the SDK. All are a `GatewayError`, whose `code` is for programs and whose text is for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

Outcome: TypeAlias = Literal["not_sent", "refused", "unknown"]
"""What a failed call has done: the gateway never got it, refused it without effect, or may have carried it out."""


class GatewayError(Exception):
    """The error of a failed call, of a subscription or of the client."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        outcome: Outcome = "not_sent",
        retryable: bool = False,
        retry_after: float | None = None,
        close_code: int | None = None,
        details: Any = None,
        reason: GatewayError | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        """A sentence for people."""
        self.code = code
        """For programs: a code of the gateway, or one of those that the subclasses name. Later versions may add codes."""
        self.outcome: Outcome = outcome
        """What the call has done. Repeat a send with the outcome `unknown` only with the same `client_message_id`."""
        self.retryable = retryable
        """Whether the same call may succeed later."""
        self.retry_after = retry_after
        """How many seconds the gateway asks to wait before another attempt; None if it does not say."""
        self.close_code = close_code
        """The code with which the gateway closed the connection, if that is the cause."""
        self.details = details
        """What a backend service says about the refusal of a call."""
        self.reason = reason
        """The error that kept a call from its reply, after a time limit."""
        self.client_message_id: str | None = None
        """The id of the message of a failed send, with which repeating is safe."""

    def __reduce__(self) -> Any:
        return _copied, (type(self), self.message, self.code, self.__dict__)


class InvalidError(GatewayError, ValueError):
    """`invalid`: an argument is outside of its bounds, and nothing was sent."""


class UsageError(InvalidError):
    """`invalid`: the client is used on another event loop or thread than before, without a loop, or after a fork."""


class TimedOutError(GatewayError, TimeoutError):
    """`timed_out`: there was no connection or no reply in time."""


class ConnectionLostError(GatewayError, ConnectionError):
    """`disconnected`: the connection was lost before the reply. `connection`: the gateway could not be reached."""


class QueueFullError(GatewayError):
    """`queue_full`: too many calls wait already."""


class TokenError(GatewayError):
    """`token`: the token provider failed."""


class UnauthorizedError(GatewayError):
    """`unauthorized`: the token was refused, or the user is signed out."""


class ReplacedError(GatewayError):
    """`replaced`: another session took the place of this one."""


class ClosedError(GatewayError):
    """`closed`: the app closed the client or the subscription, or the gateway ended it."""


class TrapError(GatewayError):
    """`trap`: the core of the SDK failed, which is a bug. `Client.connect` starts again."""


class RefusedError(GatewayError):
    """The gateway refused the command, with one of its codes such as `forbidden` or `rate_limited`."""


class SignedOut(Exception):
    """Raised by a token provider if the user is signed out. No token is requested then until `Client.connect`."""


_CLASSES: dict[str, type[GatewayError]] = {
    "invalid": InvalidError,
    "timed_out": TimedOutError,
    "queue_full": QueueFullError,
    "disconnected": ConnectionLostError,
    "connection": ConnectionLostError,
    "token": TokenError,
    "replaced": ReplacedError,
    "unauthorized": UnauthorizedError,
    "closed": ClosedError,
    "trap": TrapError,
}


def from_core(error: Mapping[str, Any]) -> GatewayError:
    """Returns the error that the core describes."""
    code: str = error["code"]
    retry_after = error.get("retryAfterMs")
    cause = error.get("cause")
    return _CLASSES.get(code, RefusedError)(
        error["message"],
        code=code,
        outcome=error["outcome"],
        retryable=error["retryable"],
        retry_after=None if retry_after is None else retry_after / 1_000,
        close_code=error.get("closeCode"),
        details=error.get("details"),
        reason=None if cause is None else from_core(cause),
    )


def copy_of(error: GatewayError) -> GatewayError:
    """Returns the same error for another caller: raising one error twice would mix up tracebacks."""
    return _copied(type(error), error.message, error.code, error.__dict__)


def _copied(kind: type[GatewayError], message: str, code: str, members: dict[str, Any]) -> GatewayError:
    copy = kind(message, code=code)
    copy.__dict__.update(members)
    return copy


def invalid(message: str) -> InvalidError:
    """Returns the error about an argument."""
    return InvalidError(message, code="invalid")


def misused(message: str) -> UsageError:
    """Returns the error about a client that is used in the wrong place."""
    return UsageError(message, code="invalid")


def closed_by_app() -> ClosedError:
    """Returns the error about a client that the app has closed."""
    return ClosedError("the client is closed", code="closed")


def closed_subscription() -> ClosedError:
    """Returns the error about a subscription that the app has closed."""
    return ClosedError("the subscription is closed", code="closed")
