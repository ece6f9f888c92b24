"""Measures what docs/decisions/python-sdk.md says. It is no test: figures need a release build and a quiet machine.

cargo build --release -p realtime-gateway-python
cp target/release/libgateway_python.so sdk-python/gateway/_core.abi3.so
PYTHONPATH=sdk-python python sdk-python/tests/measure.py
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import time
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
        began = time.perf_counter()
        for text in inputs[at : at + COUNT]:
            core.handle(10, text)
            core.take(1)
        print(f"{1e6 * (time.perf_counter() - began) / COUNT:.2f} µs a frame of {len(texts[at])} bytes in the core")
        at += COUNT
    began = time.perf_counter()
    for text in texts[at : at + COUNT // 4]:
        for _ in wire.split(core.handle(10, wire.frame(1, text))):
            pass
        for _, body in wire.split(core.take(1)):
            decode_message(body)
    print(f"{4e6 * (time.perf_counter() - began) / COUNT:.2f} µs with the messages of the driver, decoded to its type")


def memory() -> None:
    """Prints the memory of a client, before it has a connection."""

    async def measure() -> None:
        clients = [Client("ws://localhost/ws", token="t") for _ in range(1_000)]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for client in clients:
            client._engine._core = client._engine._open_core()
        kept = [online() for _ in range(1_000)]
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"{(after - before) / 2_000:.1f} KiB for a core ({len(kept)} with a subscription)")

    asyncio.run(measure())


def start() -> None:
    """Prints the time of the imports."""
    for code in ["pass", "import gateway", "import gateway, gateway._core, gateway.connection"]:
        times = []
        for _ in range(10):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - began)
        print(f"{1e3 * min(times):.0f} ms: python -c '{code}'")


if __name__ == "__main__":
    per_frame()
    memory()
    start()
