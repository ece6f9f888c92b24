"""What generated code needs to read and write JSON: functions that check a value and return it with its type."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

T = TypeVar("T")


class DecodeError(ValueError):
    """JSON is not what a type needs."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path} {problem}" if path else problem)
        self.path = path
        """The position in the value, such as `items[2].sku`; empty for the value itself."""
        self.problem = problem

    def within(self, outer: str) -> DecodeError:
        """Returns the same error, seen from the value that contains this one."""
        if not self.path:
            path = outer
        elif self.path.startswith("["):
            path = f"{outer}{self.path}"
        else:
            path = f"{outer}.{self.path}"
        return DecodeError(path, self.problem)


class Unset(enum.Enum):
    """The type of `UNSET`."""

    UNSET = "UNSET"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""A missing member, where `None` means that the member is `null`. It is false."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A branch of a union that this version does not know."""

    json: Any
    """The value as it was received."""

    def encode(self) -> Any:
        """Returns it as JSON."""
        return self.json


def members(value: Any) -> dict[str, Any]:
    """Returns the members of an object."""
    # Before the check, after which the types of the members would be unknown.
    found: dict[str, Any] = value
    if type(value) is dict:
        return found
    raise DecodeError("", f"must be an object, not {_kind(value)}")


def required(members: dict[str, Any], name: str, decoder: Callable[[Any], T]) -> T:
    """Returns a member that every object has."""
    try:
        value = members[name]
    except KeyError:
        raise DecodeError(name or '""', "is missing") from None
    try:
        return decoder(value)
    except DecodeError as error:
        raise error.within(name) from None


def optional(members: dict[str, Any], name: str, decoder: Callable[[Any], T]) -> T | None:
    """Returns a member that may be missing. `null` counts as missing."""
    value = members.get(name)
    if value is None:
        return None
    try:
        return decoder(value)
    except DecodeError as error:
        raise error.within(name) from None


def unset(members: dict[str, Any], name: str, decoder: Callable[[Any], T]) -> T | Unset:
    """Returns a member that may be missing, and that may be `null`."""
    if name not in members:
        return UNSET
    return required(members, name, decoder)


def anything(value: Any) -> Any:
    """Returns any JSON."""
    return value


def text(value: Any) -> str:
    """Returns a text."""
    if type(value) is str:
        return value
    raise DecodeError("", f"must be a text, not {_kind(value)}")


def boolean(value: Any) -> bool:
    """Returns a truth value."""
    if type(value) is bool:
        return value
    raise DecodeError("", f"must be true or false, not {_kind(value)}")


def integer(value: Any) -> int:
    """Returns a whole number. JSON may write it as 1.0."""
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise DecodeError("", f"must be a whole number, not {_kind(value)}")


def number(value: Any) -> float:
    """Returns a number."""
    if type(value) is float or type(value) is int:
        return value
    raise DecodeError("", f"must be a number, not {_kind(value)}")


def null(value: Any) -> None:
    """Returns None for `null`."""
    if value is not None:
        raise DecodeError("", f"must be null, not {_kind(value)}")


def nullable(decoder: Callable[[Any], T]) -> Callable[[Any], T | None]:
    """Returns the decoder of a value or `null`."""
    return lambda value: None if value is None else decoder(value)


def array(decoder: Callable[[Any], T]) -> Callable[[Any], list[T]]:
    """Returns the decoder of a list."""

    def decode(value: Any) -> list[T]:
        received: list[Any] = value
        if type(value) is not list:
            raise DecodeError("", f"must be a list, not {_kind(value)}")
        items: list[T] = []
        try:
            for item in received:
                items.append(decoder(item))
        except DecodeError as error:
            raise error.within(f"[{len(items)}]") from None
        return items

    return decode


def mapping(decoder: Callable[[Any], T]) -> Callable[[Any], dict[str, T]]:
    """Returns the decoder of an object whose member names are data."""

    def decode(value: Any) -> dict[str, T]:
        return {name: required(value, name, decoder) for name in members(value)}

    return decode


def word(value: Any, words: Sequence[str]) -> str:
    """Returns a word of an enumeration that is complete."""
    found = text(value)
    if found in words:
        return found
    raise DecodeError("", f"must be one of {', '.join(map(repr, words))}, not {found!r}")


def tag(value: Any, name: str) -> str | None:
    """Returns the text that selects the branch of a union, or None."""
    members: dict[str, Any] = value
    found = members.get(name) if type(value) is dict else None
    return found if type(found) is str else None


def topic_value(name: str, value: str, after: str) -> str:
    """Returns the value of a parameter of a topic, and the literal after it."""
    if not value:
        raise ValueError(f"the value of {name} is empty")
    # A value that ends with the beginning of the literal would be read back as a shorter one.
    if after and (value + after).find(after) != len(value):
        raise ValueError(f"the value of {name} must not contain {after!r}")
    return value + after


def expected(kind: type[T], value: object) -> T:
    """Returns a reply, if it is of the type that the contract promises."""
    if isinstance(value, kind):
        return value
    problem = f"the gateway answered with {type(value).__name__}: its contract differs from the one of the generated code"
    raise DecodeError("", problem)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    kinds: dict[type, str] = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return kinds.get(type(value), type(value).__name__)
