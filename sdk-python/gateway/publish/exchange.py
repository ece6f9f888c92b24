"""The exchange of one HTTP request for its answer, by the standard library, on connections that are kept."""

from __future__ import annotations

import http.client
import os
import socket
import ssl as tls
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import SplitResult

from ..errors import closed_by_app

MAX_ANSWER_BYTES = 1 << 20
"""How much of an answer is read at most."""

MAX_IDLE = 16
"""How many connections are kept for later requests."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request, for an HTTP client of the app."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout: float
    """How many seconds to wait for the gateway."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer, of any status."""

    status: int
    headers: Mapping[str, str]
    """The names are in small letters."""
    body: bytes


Transport: TypeAlias = Callable[[HttpRequest], HttpAnswer]
"""An HTTP client of the app. It may block, because it is called in a thread. It must follow no redirect, which would take the API
key to another host. It raises OSError if there is no answer."""


class Connections:
    """The connections to one gateway. Its methods can be called from any thread."""

    def __init__(self, address: SplitResult, context: tls.SSLContext | None) -> None:
        self._address = address
        self._context = context
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._busy: set[http.client.HTTPConnection] = set()
        self._process = os.getpid()
        self._is_closed = False

    def __call__(self, request: HttpRequest) -> HttpAnswer:
        """Sends a request. Raises OSError or HTTPException if there is no answer."""
        while True:
            connection = self._take(request.timeout)
            is_kept = connection.sock is not None
            can_stay = False
            try:
                answer, can_stay = _exchange(connection, request)
                return answer
            except ConnectionError:
                # The gateway may have closed a kept connection since its last use. A new one shows whether it is there.
                if not is_kept:
                    raise
            finally:
                self._put(connection, can_stay)

    def close(self) -> None:
        """Closes all connections, and ends the requests on them."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
            for connection in self._busy:
                sock: socket.socket | None = connection.sock
                if sock is not None:
                    _shut_down(sock)
        for connection in idle:
            connection.close()

    def _take(self, timeout: float) -> http.client.HTTPConnection:
        with self._lock:
            if self._is_closed:
                raise closed_by_app()
            if self._process != os.getpid():
                # Connections of the parent process are used by the parent.
                self._process, self._idle, self._busy = os.getpid(), [], set()
            connection = self._idle.pop() if self._idle else self._new()
            self._busy.add(connection)
        connection.timeout = timeout
        return connection

    def _new(self) -> http.client.HTTPConnection:
        host, port = self._address.hostname or "", self._address.port
        if self._address.scheme == "https":
            return http.client.HTTPSConnection(host, port, context=self._context or tls.create_default_context())
        return http.client.HTTPConnection(host, port)

    def _put(self, connection: http.client.HTTPConnection, can_stay: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            if can_stay and not self._is_closed and self._process == os.getpid() and len(self._idle) < MAX_IDLE:
                self._idle.append(connection)
                return
        connection.close()


def _exchange(connection: http.client.HTTPConnection, request: HttpRequest) -> tuple[HttpAnswer, bool]:
    """Returns the answer, and whether the connection can be used again."""
    deadline = time.monotonic() + request.timeout
    if connection.sock is None:
        # It also switches off the delay of small packets.
        connection.connect()
    sock: socket.socket | None = connection.sock
    if sock is None:
        raise ConnectionError("the connection has no socket")
    sock.settimeout(request.timeout)
    target = request.url[request.url.index("/", request.url.index("://") + 3) :]
    connection.request(request.method, target, request.body, dict(request.headers))
    sock.settimeout(_left(deadline))
    response = connection.getresponse()
    body = bytearray()
    while len(body) <= MAX_ANSWER_BYTES:
        sock.settimeout(_left(deadline))
        part = response.read1(65_536)
        if not part:
            break
        body += part
    if response.length == 0:
        response.close()
    elif response.length and len(body) <= MAX_ANSWER_BYTES:
        raise ConnectionError("the connection was lost within the answer")
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        headers.setdefault(name.lower(), value)
    can_stay = response.isclosed() and not response.will_close
    return HttpAnswer(response.status, headers, bytes(body[:MAX_ANSWER_BYTES])), can_stay


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the answer takes too long")
    return left


def _shut_down(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The other side has closed it.
        return
