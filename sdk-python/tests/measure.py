"""Measures what docs/decisions/python-sdk.md says. It is no test: figures need a release build and a quiet machine.

cargo build --release -p realtime-gateway-python
cp target/release/libgateway_python.so sdk-python/gateway/_core.abi3.so
PYTHONPATH=sdk-python python sdk-python/tests/measure.py
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from scripted import chat

from gateway import Client, _core, wire
from gateway.events import decode_message

COUNT = 200_000
GREETING = (
    '{"type":"connected","requestId":"1","userId":"ada","message":"hi","sessionId":"s1","protocolVersion":1,"features":[],'
    '"services":["notifications","clan_chat"],"expiresAt":"2099-01-01T00:00:00.000Z","serverTime":"2026-01-01T00:00:00.000Z",'
    '"heartbeatIntervalMs":25000,"maxMessageBytes":65536,'
    '"limits":{"messagesPerSecond":100000,"burst":100000,"subscriptions":1000}}'
)


def online() -> _core.Core:
    """Returns a core with a connection and the stream 1 of the clan c."""
    core = _core.Core('{"seed":[1,2,3,4],"name":"measure","version":"1.0.0"}')
    core.handle(0, '{"type":"connect"}\n')
    core.handle(1, '{"type":"token","token":"t"}\n')
    core.handle(2, '{"type":"opened","connection":1}\n')
    core.handle(3, wire.frame(1, GREETING))
    head = {"type": "subscribe", "stream": 1, "command": "subscribe_clan_chat"}
    sent = dict[str, Any]()
    for output, body in wire.split(core.handle(4, wire.compose(head, '{"clanId":"c"}'))):
        if output["type"] == "send":
            sent = json.loads(body)
    confirmed = {
        "type": "subscription_confirmed",
        "requestId": sent["requestId"],
        "service": "clan_chat",
        "clanId": "c",
        "status": "subscribed",
        "offset": 0,
        "epoch": "e1",
        "recovered": False,
    }
    core.handle(5, wire.frame(1, json.dumps(confirmed)))
    return core


def frame(offset: int) -> str:
    """Returns a chat message of 330 bytes."""
    return chat(offset, "x" * 150)


def per_frame() -> None:
    """Prints the time of a frame."""
    core = online()
    texts = [frame(offset) for offset in range(1, 3 * COUNT + 1)]
    inputs = [wire.frame(1, text) for text in texts]
    at = 0
    for _ in range(2):
        began = time.process_time()
        for text in inputs[at : at + COUNT]:
            core.handle(10, text)
            core.take(1)
        print(f"{1e6 * (time.process_time() - began) / COUNT:.2f} µs a frame of {len(texts[at])} bytes in the core")
        at += COUNT
    began = time.process_time()
    for text in texts[at : at + COUNT // 4]:
        for _ in wire.split(core.handle(10, wire.frame(1, text))):
            pass
        for _, body in wire.split(core.take(1)):
            decode_message(body)
    print(f"{4e6 * (time.process_time() - began) / COUNT:.2f} µs with the messages of the driver, decoded to its type")


def resident() -> float:
    """Returns the memory of this process in KiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1024


def memory() -> None:
    """Prints the memory of a client."""
    before = resident()
    clients = [Client("ws://localhost/ws", token="t") for _ in range(1_000)]
    made = resident()
    cores = [online() for _ in range(1_000)]
    print(f"{(made - before) / len(clients):.1f} KiB for a client, {(resident() - made) / len(cores):.1f} KiB for its core")


def start() -> None:
    """Prints the time of the imports."""
    for code in ["pass", "import gateway", "import gateway, gateway._core, gateway.connection"]:
        times = []
        for _ in range(10):
            began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began)
        print(f"{1e3 * min(times):.0f} ms: python -c '{code}'")


if __name__ == "__main__":
    memory()
    per_frame()
    start()
