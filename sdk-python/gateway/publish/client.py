"""The clients for backends: they send the generated operations, and repeat them after failures that may pass."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import ssl as tls
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ..codec import DecodeError
from ..errors import ClosedError, closed_by_app, invalid
from .api import Operations, SyncOperations
from .error import PublishError, no_answer, refusal, unreadable
from .exchange import MAX_IDLE, Connections, HttpAnswer, HttpRequest, Transport
from .operation import Operation
from .options import Options, check
from .retry import Retry

T = TypeVar("T")


class _Sending:
    """What both clients do: write a request, exchange it once, and read the answer."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._transport = options.transport or Connections(options.address, options.ssl)
        self.closed = threading.Event()

    def request(self, operation: Operation[Any]) -> HttpRequest:
        """Returns the request with its idempotency key. Raises InvalidError."""
        if self.closed.is_set():
            raise closed_by_app()
        members = operation.members
        if operation.key is not None and operation.key not in members:
            members = {**members, operation.key: uuid.uuid4().hex}
        try:
            body = json.dumps(members, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise invalid(f"body: it cannot be written as JSON: {error}") from error
        headers = {"authorization": f"Bearer {self.options.api_key}", "content-type": "application/json"}
        url = self.options.address.geturl() + operation.path
        return HttpRequest(operation.method, url, headers, body, self.options.timeout)

    def attempt(self, request: HttpRequest) -> HttpAnswer:
        """Sends a request once. Raises PublishError, or ClosedError."""
        if self.closed.is_set():
            raise closed_by_app()
        try:
            answer = self._transport(request)
        except (OSError, http.client.HTTPException) as error:
            if self.closed.is_set():
                raise ClosedError("the client was closed", code="closed", outcome="unknown") from error
            raise no_answer(error) from error
        if not 200 <= answer.status <= 299:
            raise refusal(answer)
        return answer

    def close(self) -> None:
        """Closes the connections."""
        self.closed.set()
        if isinstance(self._transport, Connections):
            self._transport.close()


def _read(operation: Operation[T], answer: HttpAnswer) -> T:
    try:
        members: Any = json.loads(answer.body) if answer.body else None
        return operation.decode(members)
    except (DecodeError, ValueError, RecursionError) as error:
        raise unreadable(answer, str(error)) from error


class SyncClient(SyncOperations):
    """Publishes to one gateway, and blocks until it has answered. It can be made anywhere, and used from any thread and process.

    A request is repeated after lost connections, 408, 429 and 5xx. Each has an idempotency key, so it is stored once. Only topics
    without history may get an event twice.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        attempts: int = 5,
        timeout: float = 10.0,
        backoff: tuple[float, float] = (0.2, 30.0),
        ssl: tls.SSLContext | None = None,
        transport: Transport | None = None,
    ) -> None:
        """Makes a client of the gateway at an address such as `https://gateway.example.com`. Raises InvalidError.

        `api_key` needs the scope `publish`. `attempts` is how often a request is sent at most. `timeout` is how many seconds one
        attempt waits for the gateway. `backoff` has the bounds of the wait between attempts, in seconds; they grow at random. A
        longer `Retry-After` of the gateway ends the call. `transport` sends the requests instead of the standard library.
        """
        self._sending = _Sending(check(url, api_key, attempts, timeout, backoff, ssl, transport))

    def _send(self, operation: Operation[T]) -> T:
        sending = self._sending
        request, retry = sending.request(operation), Retry(sending.options)
        while True:
            try:
                return _read(operation, sending.attempt(request))
            except PublishError as error:
                sending.closed.wait(retry.wait_after(error))

    def close(self) -> None:
        """Closes the connections, and ends the calls that use them."""
        self._sending.close()

    def __enter__(self) -> SyncClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Client(Operations):
    """Publishes to one gateway, for asyncio. It can be made anywhere, also without an event loop, and be used on several loops.

    A request is repeated after lost connections, 408, 429 and 5xx. Each has an idempotency key, so it is stored once. Only topics
    without history may get an event twice. Up to 16 requests are sent at a time, by threads of the client; further ones wait.

    Cancelling ends the waiting and nothing else: what was sent may have its effect.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        attempts: int = 5,
        timeout: float = 10.0,
        backoff: tuple[float, float] = (0.2, 30.0),
        ssl: tls.SSLContext | None = None,
        transport: Transport | None = None,
    ) -> None:
        """Makes a client of the gateway at an address such as `https://gateway.example.com`. Raises InvalidError.

        The arguments are those of `SyncClient`.
        """
        self._sending = _Sending(check(url, api_key, attempts, timeout, backoff, ssl, transport))
        # It starts its threads when it needs them.
        self._threads = ThreadPoolExecutor(MAX_IDLE, "gateway-publish")
        self._process = os.getpid()

    async def _send(self, operation: Operation[T]) -> T:
        sending = self._sending
        request, retry = sending.request(operation), Retry(sending.options)
        loop = asyncio.get_running_loop()
        while True:
            try:
                answer = await loop.run_in_executor(self._executor(), sending.attempt, request)
                return _read(operation, answer)
            except PublishError as error:
                await asyncio.sleep(retry.wait_after(error))

    def _executor(self) -> ThreadPoolExecutor:
        if self._sending.closed.is_set():
            raise closed_by_app()
        if self._process != os.getpid():
            # The threads of a parent process do not exist after a fork.
            self._threads, self._process = ThreadPoolExecutor(MAX_IDLE, "gateway-publish"), os.getpid()
        return self._threads

    async def close(self) -> None:
        """Closes the connections, and ends the calls that use them. The threads end with their last request."""
        self._sending.close()
        self._threads.shutdown(wait=False)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
