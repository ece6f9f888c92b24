"""The core behaves in Python as in Rust, to the byte."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

import gateway
from gateway import _core, wire

TRANSCRIPTS = sorted((ROOT / "sdk-core/transcripts").glob("*.jsonl"))


def carry_out(core: _core.Core, line: dict[str, Any]) -> str:
    """Passes the input or the take of a line to a client."""
    return core.take(line["take"]) if "take" in line else core.handle(line["now"], line["input"])


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Reads a file of JSON objects."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def raw_open(path: Path) -> str:
    """Returns the configuration in the first line as it is written."""
    first = path.read_text().split("\n", 1)[0]
    return first[len('{"open":') : -1]


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) >= 7, "they are in the repository, in sdk-core/transcripts"


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_replays_transcripts_byte_for_byte(path: Path) -> None:
    core = _core.Core(raw_open(path))
    for number, line in enumerate(list(lines(path))[1:], 2):
        assert carry_out(core, line) == line["output"], f"line {number}"
        assert core.deadline() == line["deadline"], f"line {number}"


def test_gives_the_outputs_of_the_crate_for_seeded_inputs() -> None:
    # The step `python` of `cargo xtask test` names the file, which the crate's example `seeded` prints.
    path = os.environ.get("GATEWAY_SEEDED", str(ROOT / "target/core/seeded.jsonl"))
    assert Path(path).is_file(), "GATEWAY_SEEDED names no file: run `cargo xtask test python`"
    digest, count, end, core = hashlib.sha256(), 0, None, None
    for line in lines(Path(path)):
        if "open" in line:
            core = _core.Core(json.dumps(line["open"]))
        elif "sha256" in line:
            end = line
        else:
            assert core is not None
            output, deadline = carry_out(core, line), core.deadline()
            digest.update(f"{output}\n{-1 if deadline is None else deadline}\n".encode())
            count += 1
    assert end is not None and (count, digest.hexdigest()) == (end["inputs"], end["sha256"])
    assert count == 10_000


def test_core_has_the_digest_of_the_sources() -> None:
    source = (ROOT / "sdk-core/src/digest.rs").read_text()
    found = re.search(r'"([0-9a-f]{64})"', source)
    assert found is not None and gateway.core_digest() == found.group(1)


def test_faults_of_the_driver_are_errors_without_effect() -> None:
    core = _core.Core('{"seed":[1,2,3,4],"name":"test","version":"1.0.0"}')
    for wrong in ["", "tick", '{"type":"tick"}', '{"type":"what"}\n', '{"type":"tick","body":5}\nx']:
        with pytest.raises(_core.InputError):
            core.handle(0, wrong)
    with pytest.raises(_core.InputError, match="seed"):
        _core.Core('{"name":"test"}')
    assert core.handle(0, '{"type":"connect"}\n').startswith('{"type":"request_token"}\n')
    with pytest.raises(UnicodeEncodeError):
        core.handle(0, "\ud800")
    with pytest.raises(OverflowError):
        core.handle(-1, '{"type":"tick"}\n')


def test_splits_messages_whose_bodies_are_measured_in_bytes() -> None:
    bodies = ["", "plain", "größe 🐺\n", '{"a":1}\n{"b":2}']
    text = "".join(wire.compose({"type": "x", "n": n}, body) for n, body in enumerate(bodies)) + wire.compose({"type": "end"})
    found = list(wire.split(text))
    assert [body for _, body in found] == [*bodies, ""]
    assert [head.get("n") for head, _ in found] == [0, 1, 2, 3, None]
    assert list(wire.split("")) == []
    assert next(wire.split(wire.frame(7, "größe")))[1] == "größe"
    with pytest.raises(ValueError, match="no object"):
        next(wire.split("[]\n"))
