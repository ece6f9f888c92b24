"""What the generated operations need: the description of a request, and the classes that send it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from ..errors import invalid

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """A request of the HTTP API, and how its answer is read."""

    method: str
    path: str
    """The path after the address of the gateway, percent-encoded."""
    members: Any
    """The body, as JSON."""
    key: str | None
    """The member of the body that makes a repeat safe."""
    decode: Callable[[Any], T]
    """Reads the JSON of an answer, which is None if there is no body."""


class Sender(ABC):
    """Sends operations, for asyncio."""

    __slots__ = ()

    @abstractmethod
    async def _send(self, operation: Operation[T]) -> T:
        """Sends a request, and returns its answer."""


class SyncSender(ABC):
    """Sends operations, and blocks until they are answered."""

    __slots__ = ()

    @abstractmethod
    def _send(self, operation: Operation[T]) -> T:
        """Sends a request, and returns its answer."""


def path_value(name: str, value: object) -> str:
    """Returns a value as a segment of a path."""
    if type(value) is not str or not value:
        raise invalid(f"{name}: expected a text that is not empty, not {value!r}")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError as error:
        raise invalid(f"{name}: {error}") from None


def checked(kind: type[T], value: object) -> T:
    """Returns a body, if it is of its type."""
    if isinstance(value, kind):
        return value
    raise invalid(f"body: expected {kind.__name__}, not {type(value).__name__}")
