"""The generated messages read and write the test vectors of the protocol, and errors say where a value is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import ROOT

from gateway import UNSET, Chat, UnknownMessage, Unset, codec
from gateway.events import Gap, Missed, Position, decode_message
from gateway.messages import TopicUser, decode_client_message, decode_server_message


def vectors(path: str) -> list[tuple[str, Any]]:
    """Returns the texts of vectors, and the vectors."""
    found: list[dict[str, Any]] = json.loads((ROOT / "protocol/vectors" / path).read_text())
    return [(vector.get("text") or json.dumps(vector["message"]), vector) for vector in found]


@pytest.mark.parametrize(
    ("path", "decode"),
    [("client/accepted.json", decode_client_message), ("server/accepted.json", decode_server_message)],
)
def test_reads_and_writes_the_vectors(path: str, decode: Any) -> None:
    assert len(vectors(path)) > 50
    for text, vector in vectors(path):
        value = json.loads(text)
        message = decode(value)
        assert isinstance(message, codec.Unknown) == (vector.get("known") is False), text
        written = message.encode()
        assert written in (value, vector.get("encodesAs")), text
        assert decode(written) == message


def test_errors_name_the_position() -> None:
    def problem(decoder: Any, value: Any) -> str:
        with pytest.raises(codec.DecodeError) as refused:
            decoder(value)
        return str(refused.value)

    items = codec.array(codec.mapping(codec.nullable(codec.text)))
    assert items([{"a": None}, {}]) == [{"a": None}, {}]
    assert problem(items, [{}, {"b": 5}]) == "[1].b must be a text, not a number"
    assert problem(items, {}) == "must be a list, not an object"
    assert problem(Position.decode, {"epoch": "e"}) == "offset is missing"
    assert problem(Position.decode, {"offset": True, "epoch": "e"}) == "offset must be a whole number, not true or false"
    assert problem(Position.decode, None) == "must be an object, not null"
    assert problem(lambda value: codec.word(value, ["a", "b"]), "c") == "must be one of 'a', 'b', not 'c'"
    assert problem(codec.number, "1") == "must be a number, not a text"
    assert problem(codec.null, 1) == "must be null, not a number"
    assert problem(codec.boolean, []) == "must be true or false, not a list"
    assert codec.integer(2.0) == 2


def test_a_missing_member_differs_from_null() -> None:
    members = {"userId": "ada", "sessions": 1}
    missing, null = TopicUser.decode(members), TopicUser.decode(members | {"data": None})
    assert missing.data is UNSET and null.data is None and not UNSET and repr(UNSET) == "UNSET"
    assert isinstance(missing.data, Unset)
    assert (missing.encode(), null.encode()) == (members, members | {"data": None})


def test_topic_values_are_checked() -> None:
    assert codec.topic_value("a", "x", "--") == "x--"
    with pytest.raises(ValueError, match="the value of a is empty"):
        codec.topic_value("a", "", "")
    for value in ["x--y", "x-"]:
        with pytest.raises(ValueError, match="must not contain '--'"):
            codec.topic_value("a", value, "--")


def test_items_that_are_no_messages_of_this_version() -> None:
    gap = decode_message('{"type":"gap","before":3,"after":{"offset":9,"epoch":"e"},"reason":"later_word"}')
    assert gap == Gap(before=3, after=Position(9, "e"), reason="later_word")
    assert decode_message('{"type":"missed","count":3}') == Missed(3)
    assert decode_message('{"type":"unreadable"}') == UnknownMessage("unreadable")
    assert decode_message('{"type":"a_later_type","x":1}') == UnknownMessage("a_later_type")
    assert decode_message('{"type":"chat"}') == UnknownMessage("chat")
    assert decode_message("[1]") == UnknownMessage("unreadable")
    assert decode_message("nonsense") == UnknownMessage("unreadable")


def test_messages_are_frozen() -> None:
    position = Position(1, "e")
    with pytest.raises(AttributeError):
        position.offset = 2  # type: ignore[misc]
    assert Chat.type == "chat"
