"""Messages of the core: a head, which is a JSON object on one line, and a body of as many bytes as the head says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

_MAX_KNOWN_HEADS = 256
_known_heads: dict[str, dict[str, Any]] = {}


def compose(head: dict[str, Any], body: str | None = None) -> str:
    """Returns one message. Raises UnicodeEncodeError, a ValueError, for a text that is no Unicode."""
    if body is not None:
        head["body"] = len(body) if body.isascii() else len(body.encode())
    line = json.dumps(head, ensure_ascii=False, separators=(",", ":"))
    if not line.isascii():
        line.encode()
    return line + "\n" + (body or "")


def frame(connection: int, text: str) -> str:
    """Returns the message about a frame that has arrived."""
    size = len(text) if text.isascii() else len(text.encode())
    return f'{{"type":"frame","connection":{connection},"body":{size}}}\n{text}'


def split(output: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Returns the heads and bodies of messages, one after the other."""
    # A body is measured in bytes, which are characters as long as all are ASCII.
    data = None if output.isascii() else output.encode()
    at, end = 0, len(output) if data is None else len(data)
    while at < end:
        if data is None:
            line = output.index("\n", at)
            head = read_head(output[at:line])
        else:
            line = data.index(b"\n", at)
            head = read_head(data[at:line].decode())
        at = line + 1 + head.get("body", 0)
        if data is None:
            yield head, output[line + 1 : at]
        else:
            yield head, data[line + 1 : at].decode()


def read_head(line: str) -> dict[str, Any]:
    """Reads a head. Short ones repeat for every frame, such as `ready`, so they are kept."""
    known = _known_heads.get(line)
    if known is not None:
        return known
    value: Any = json.loads(line)
    head: dict[str, Any] = value
    if type(value) is not dict:
        raise ValueError(f"the head of a message of the core is no object: {line}")
    if len(_known_heads) < _MAX_KNOWN_HEADS and head.get("type") == "ready":
        _known_heads[line] = head
    return head


def fields(value: Any) -> str:
    """Returns the fields of a command as JSON. Raises ValueError or TypeError for what is no JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_encoded)


def _encoded(value: Any) -> Any:
    encode = getattr(value, "encode", None)
    if is_dataclass(value) and encode is not None:
        return encode()
    raise TypeError(f"{type(value).__name__} is no JSON")
