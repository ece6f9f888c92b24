"""A gateway that does what a test says, byte by byte, on a thread of its own for each connection's events."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Queue
from typing import Any

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
LIMIT = 20.0
"""How many seconds a step of a test may take."""


@dataclass
class Frame:
    """A WebSocket frame of the client."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int:
        """The code of a close frame."""
        return int(struct.unpack(">H", self.payload[:2])[0])


class Peer:
    """One connection, from the side of the gateway."""

    def __init__(self, connection: socket.socket, head: str) -> None:
        self.socket = connection
        self.head = head
        self._lock = threading.Lock()

    def write(self, opcode: int, payload: str | bytes) -> None:
        """Writes one frame."""
        self.write_raw(encoded(opcode, payload))

    def write_raw(self, data: bytes) -> None:
        """Writes bytes."""
        with self._lock:
            self.socket.sendall(data)

    def close(self, code: int) -> None:
        """Writes a close frame."""
        self.write(CLOSE, struct.pack(">H", code))

    def read(self, wait: float = LIMIT) -> Frame:
        """Returns the next frame of the client. Raises OSError or EOFError at the end of the connection."""
        self.socket.settimeout(wait)
        first, second = self._exactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self._exactly(8))
        mask, payload = self._exactly(4), self._exactly(length)
        return Frame(first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)))

    def frame(self, opcode: int) -> Frame:
        """Returns the next frame of a kind."""
        while True:
            frame = self.read()
            if frame.opcode == opcode:
                return frame

    def command(self, kind: str) -> dict[str, Any]:
        """Returns the next message of the client of a type."""
        while True:
            message: dict[str, Any] = json.loads(self.frame(TEXT).payload)
            if message["type"] == kind:
                return message

    def is_at_end(self, wait: float) -> bool:
        """Reads until the client ends the connection, or until there is nothing for a time."""
        try:
            while True:
                self.read(wait)
        except EOFError:
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def greet(self, authenticate: dict[str, Any]) -> None:
        """Accepts the client."""
        self.reply(
            authenticate,
            "connected",
            userId="ada",
            message="hi",
            sessionId="s1",
            protocolVersion=1,
            features=[],
            services=["notifications", "clan_chat"],
            expiresAt="2099-01-01T00:00:00.000Z",
            serverTime="2026-01-01T00:00:00.000Z",
            heartbeatIntervalMs=25000,
            maxMessageBytes=65536,
            limits={"messagesPerSecond": 100000, "burst": 100000, "subscriptions": 1000},
        )

    def confirm(self, subscribe: dict[str, Any], recovered: bool = False) -> None:
        """Confirms the subscription to a clan."""
        self.reply(
            subscribe,
            "subscription_confirmed",
            service="clan_chat",
            clanId="c",
            status="subscribed",
            offset=0,
            epoch="e1",
            recovered=recovered,
        )

    def reply(self, to: dict[str, Any], kind: str, **members: Any) -> None:
        """Answers a command."""
        message = {"type": kind, "requestId": to["requestId"], **members}
        self.write(TEXT, json.dumps(message, ensure_ascii=False, separators=(",", ":")))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data


class Scripted:
    """Accepts connections."""

    def __init__(self) -> None:
        self.refusal: bytes | None = None
        """The response to the next upgrades instead of accepting them."""
        self.refused = 0
        self.connections: Queue[Peer] = Queue()
        self._peers: list[Peer] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._thread = threading.Thread(target=self._accept, name="test-scripted", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"ws://127.0.0.1:{self._listener.getsockname()[1]}/ws"

    def next(self) -> Peer:
        """Returns the next connection."""
        return self.connections.get(timeout=LIMIT)

    def accepted(self) -> Peer:
        """Returns the next connection, with an authenticated client."""
        peer = self.next()
        peer.greet(peer.command("authenticate"))
        return peer

    def stop(self) -> None:
        """Ends everything."""
        # A blocked accept does not notice that its socket was closed.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(LIMIT)
        for peer in self._peers:
            peer.socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            head = b""
            while b"\r\n\r\n" not in head:
                part = connection.recv(4096)
                if not part:
                    break
                head += part
            self._upgrade(connection, head.decode())

    def _upgrade(self, connection: socket.socket, head: str) -> None:
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n"))}
        if "sec-websocket-key" not in headers:
            connection.close()
            return
        if self.refusal is not None:
            self.refused += 1
            connection.sendall(self.refusal)
            connection.close()
            return
        key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        connection.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Protocol: {headers['sec-websocket-protocol']}\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        peer = Peer(connection, head)
        self._peers.append(peer)
        self.connections.put(peer)


def encoded(opcode: int, payload: str | bytes) -> bytes:
    """Returns a frame of a server."""
    data = payload.encode() if isinstance(payload, str) else payload
    if len(data) < 126:
        head = bytes([0x80 | opcode, len(data)])
    elif len(data) < 1 << 16:
        head = bytes([0x80 | opcode, 126]) + struct.pack(">H", len(data))
    else:
        head = bytes([0x80 | opcode, 127]) + struct.pack(">Q", len(data))
    return head + data


def chat(offset: int, content: str) -> str:
    """Returns the text of a chat message."""
    message = {
        "type": "chat",
        "userId": "bob",
        "clanId": "c",
        "messageId": f"m{offset}",
        "messageType": "TEXT",
        "content": content,
        "sentAt": "2026-01-31T12:00:00.000Z",
        "offset": offset,
    }
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


Script = Callable[[Scripted], None]
"""What a gateway does in a thread, while the test uses the client."""
