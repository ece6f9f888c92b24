"""Publishing from a backend: over HTTP to the real gateway, from asyncio and without it."""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import json
import pickle
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, cast

import pytest
from conftest import ROOT, run
from real_gateway import RealGateway
from test_services import EXAMPLE, GOLDEN, load, start_service
from test_story import next_of

import gateway
from gateway import publish
from gateway.publish import PostMessage, PublishError, PublishEvent, SendNotification

__all__ = ["start_service"]

KEY = "an api key of the tests"
API_KEY = f'auth.api_keys = [{{ name = "tests", sha256 = "{hashlib.sha256(KEY.encode()).hexdigest()}" }}]\n'
NOTIFICATION = SendNotification(user_id="ada", title="t", message="m")
MESSAGE = PostMessage(user_id="bob", content="hello")

Respond = Callable[["Front", int], None]


class Front(BaseHTTPRequestHandler):
    """A server in front of a gateway that does what a test says with each request."""

    protocol_version = "HTTP/1.1"
    respond: ClassVar[Respond]
    numbers: ClassVar[Iterator[int]]

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers["content-length"]))
        type(self).respond(self, next(self.numbers))

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answers."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def cut(self) -> None:
        """Ends the connection without an answer."""
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def passed(self, gateway: RealGateway) -> tuple[int, bytes]:
        """Sends the request to the gateway, and returns its answer."""
        headers = {name: self.headers[name] for name in ["authorization", "content-type"]}
        request = urllib.request.Request(f"http://{gateway.address}{self.path}", self.body, headers)
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.status or 0, error.read()

    def log_message(self, format: str, *args: Any) -> None:
        return


@contextmanager
def front(respond: Respond) -> Iterator[str]:
    """Starts a server, and returns its address."""
    handler = type("Handler", (Front,), {"respond": respond, "numbers": iter(range(1, 1_000))})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="test-front")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def http(real: RealGateway) -> str:
    """Returns the address for backends."""
    return f"http://{real.address}"


def sync_client(url: str, **options: Any) -> publish.SyncClient:
    return publish.SyncClient(url, KEY, **{"backoff": (0.001, 30.0), **options})


def failure(call: Callable[[], object]) -> PublishError:
    """Returns the error of a call."""
    with pytest.raises(PublishError) as caught:
        call()
    return caught.value


def test_notifications_messages_and_events_are_published(start_service: Callable[..., RealGateway]) -> None:
    real = start_service(EXAMPLE, API_KEY)

    async def story() -> None:
        async with (
            gateway.Client(real.url, token=real.token("ada")) as ada,
            publish.Client(http(real), KEY) as backend,
            ada.notifications.subscribe() as notifications,
            ada.clan_chat("wolves").subscribe() as chat,
            ada.topic("orders", "order-4/2").subscribe() as orders,
        ):
            sent = await backend.send_notification(
                SendNotification(user_ids=["ada", "bob"], title="Quest", message="Done", data={"quest": 7})
            )
            assert len(sent.ids) == 2
            notification = await next_of(notifications, gateway.Notification)
            assert (notification.id, notification.data) == (sent.ids[0], {"quest": 7})
            posted = await backend.post_message("wolves", MESSAGE)
            message = await next_of(chat, gateway.Chat)
            assert (message.message_id, message.offset, message.user_id) == (posted.message_id, posted.offset, "bob")
            data = {"type": "comment", "text": "größe 🐺"}
            event = await backend.publish_event("orders", "order-4/2", PublishEvent(data=data))
            assert event is not None
            received = await next_of(orders, gateway.TopicMessage)
            assert (received.offset, received.data) == (event.offset, data)

    run(story)


def test_a_repeated_publication_is_stored_once(start_gateway: Callable[..., RealGateway]) -> None:
    real = start_gateway(API_KEY)
    message = PostMessage(user_id="bob", content="hello", id="m1")
    with sync_client(http(real)) as backend:
        first = backend.post_message("wolves", message)
        assert backend.post_message("wolves", message) == first
        conflict = failure(lambda: backend.post_message("wolves", PostMessage(user_id="bob", content="other", id="m1")))
        assert (conflict.status, conflict.code, conflict.outcome, conflict.retryable) == (409, "conflict", "refused", False)
        copy = pickle.loads(pickle.dumps(conflict))
        assert type(copy) is PublishError and copy.__dict__ == conflict.__dict__


def test_it_repeats_after_lost_answers_and_refusals_that_pass(start_gateway: Callable[..., RealGateway]) -> None:
    real = start_gateway(API_KEY)
    bodies: list[bytes] = []

    def respond(server: Front, number: int) -> None:
        bodies.append(server.body)
        match number % 5:
            case 1:
                server.answer(503, retry_after="0")
            case 2:
                server.answer(429)
            case 3:
                # The answer is lost after the gateway has stored the message.
                server.passed(real)
                server.cut()
            case 4:
                status, body = server.passed(real)
                server.send_response(status)
                server.send_header("content-length", str(len(body) + 1))
                server.end_headers()
                server.wfile.write(body)
                server.cut()
            case _:
                server.answer(*server.passed(real))

    with front(respond) as address, sync_client(address) as blocking, sync_client(http(real)) as direct:
        first = blocking.post_message("wolves", MESSAGE)

        async def story() -> publish.MessageAccepted:
            async with publish.Client(address, KEY, backoff=(0.001, 30.0)) as backend:
                return await backend.post_message("wolves", MESSAGE)

        second = run(story)
        last = direct.post_message("wolves", MESSAGE)
        assert [first.offset, second.offset, last.offset] == [1, 2, 3]
    assert len(bodies) == 10 and len(set(bodies[:5])) == 1 and len(set(bodies[5:])) == 1
    assert json.loads(bodies[0])["id"] != json.loads(bodies[5])["id"]


def test_it_waits_as_long_as_the_gateway_asks_and_no_longer_than_its_bound(start_gateway: Callable[..., RealGateway]) -> None:
    real = start_gateway(API_KEY + "limits.http_per_key_per_second = 1\n")
    with sync_client(http(real), attempts=1) as once, sync_client(http(real)) as patient:
        refused = None
        while refused is None:
            try:
                once.send_notification(NOTIFICATION)
            except PublishError as error:
                refused = error
        assert (refused.status, refused.code, refused.retryable) == (429, "rate_limited", True)
        assert refused.retry_after is not None and refused.retry_after > 0
        assert len(patient.send_notification(NOTIFICATION).ids) == 1
    hour = email.utils.formatdate(time.time() + 3_600, usegmt=True)
    for header in ["3600", hour]:
        failed = answered(503, header, attempts=5)
        assert failed.retry_after is not None and 3_500 < failed.retry_after <= 3_600
        assert (failed.outcome, failed.code) == ("unknown", "unreadable")
    for header in ["", "soon", "-1", "\u0661", "1e3", "99999999999", "Tue, 99 Dec 2026 00:00:00 GMT"]:
        assert answered(429, header, attempts=1).retry_after is None, header


def answered(status: int, retry_after: str, attempts: int) -> PublishError:
    """Returns the error of a call that is answered like this."""
    with front(lambda server, _: server.answer(status, retry_after=retry_after)) as address:
        with sync_client(address, attempts=attempts) as backend:
            return failure(lambda: backend.send_notification(NOTIFICATION))


def test_wrong_use_fails_with_an_error_that_names_it(start_service: Callable[..., RealGateway]) -> None:
    real = start_service(EXAMPLE, API_KEY)
    with sync_client(http(real)) as backend:
        blank = failure(lambda: backend.send_notification(SendNotification(user_id="ada", title="", message="m")))
        assert (blank.status, blank.code, blank.details["field"]) == (400, "invalid_message", "title")
        other = failure(lambda: backend.publish_event("orders", "order-1", PublishEvent(data={"type": "comment"})))
        assert (other.status, other.code) == (422, "invalid_message")
        unknown = failure(lambda: backend.publish_event("none", "a/b", PublishEvent(data=1)))
        assert (unknown.status, unknown.code, unknown.outcome) == (404, "unknown_service", "refused")
        misuse: list[tuple[Callable[[], object], str]] = [
            (lambda: backend.post_message("", MESSAGE), "clan_id"),
            (lambda: backend.post_message(cast(str, 7), MESSAGE), "clan_id"),
            (lambda: backend.post_message("c", cast(PostMessage, {"content": "x"})), "expected PostMessage, not dict"),
            (lambda: backend.publish_event("orders", "order-1", PublishEvent(data=object())), "body"),
            (lambda: backend.publish_event("orders", "order-1", PublishEvent(data=float("nan"))), "body"),
            (lambda: backend.publish_event("orders", "order-1", PublishEvent(data="\ud800")), "body"),
            (lambda: backend.publish_event("orders", "order-\ud800", PublishEvent(data=1)), "topic"),
        ]
        for call, text in misuse:
            with pytest.raises(gateway.InvalidError, match=text):
                call()
    with publish.SyncClient(http(real), "another key") as backend:
        wrong = failure(lambda: backend.send_notification(NOTIFICATION))
    assert wrong.code == "unauthorized" and "another key" not in str(wrong)
    backend = sync_client(http(real), attempts=2)
    backend.send_notification(NOTIFICATION)
    real.kill()
    away = failure(lambda: backend.post_message("wolves", MESSAGE))
    assert (away.status, away.code, away.outcome, away.retryable) == (None, "connection", "unknown", True)
    backend.close()
    backend.close()
    with pytest.raises(gateway.ClosedError):
        backend.post_message("wolves", MESSAGE)


@pytest.mark.parametrize("kind", [publish.Client, publish.SyncClient])
def test_wrong_options_are_refused(kind: Any) -> None:
    for url in [
        "",
        "gateway",
        "ws://a",
        "ftp://a",
        "http://",
        "http://a:b",
        "http://u:hush@a",
        "http://a?hush=1",
        "http://a b",
        7,
    ]:
        with pytest.raises(gateway.InvalidError, match="url") as refused:
            kind(url, "k")
        assert "hush" not in str(refused.value)
    for key in ["", "hush\n", "hüsh", None]:
        with pytest.raises(gateway.InvalidError, match="api_key") as refused:
            kind("http://a", key)
        assert "hush" not in str(refused.value)
    for option, value in [
        ("attempts", 0),
        ("attempts", True),
        ("timeout", 0),
        ("timeout", float("nan")),
        ("backoff", (2, 1)),
        ("backoff", 1),
        ("ssl", 1),
        ("transport", 1),
    ]:
        with pytest.raises(gateway.InvalidError, match=option):
            kind("https://a", "k", **{option: value})


def test_the_key_is_not_sent_to_another_host() -> None:
    def refuse(server: Front, number: int) -> None:
        raise AssertionError("a redirect is followed")

    with front(refuse) as other, front(lambda server, _: server.answer(307, location=other)) as address:
        with sync_client(address) as backend:
            redirected = failure(lambda: backend.send_notification(NOTIFICATION))
    assert (redirected.status, redirected.code, redirected.retryable) == (307, "unreadable", False)


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"ids":7}', b"", b"[" * 100_000, b'{"ids":["\xff"]}', b" " * (2 << 20)])
def test_answers_that_are_no_gateway_s_are_refused(answer: bytes) -> None:
    with front(lambda server, _: server.answer(202, answer)) as address, sync_client(address) as backend:
        unreadable = failure(lambda: backend.send_notification(NOTIFICATION))
    assert (unreadable.status, unreadable.code, unreadable.outcome) == (202, "unreadable", "unknown")


def test_connections_are_kept_and_replaced(start_gateway: Callable[..., RealGateway]) -> None:
    real = start_gateway(API_KEY)
    connections: set[int] = set()

    def respond(server: Front, number: int) -> None:
        connections.add(server.client_address[1])
        server.answer(*server.passed(real))
        if number == 2:
            server.cut()

    with front(respond) as address, sync_client(address, attempts=1) as backend:
        offsets = [backend.post_message("wolves", MESSAGE).offset for _ in range(4)]
    assert offsets == [1, 2, 3, 4] and len(connections) == 2


FORKING = """
import asyncio, os, sys
from gateway import publish
message = publish.PostMessage(content="hello")
blocking = publish.SyncClient(sys.argv[1], sys.argv[2])
client = publish.Client(sys.argv[1], sys.argv[2])
offsets = [blocking.post_message("wolves", message).offset]
child = os.fork()
for _ in range(2):
    offsets.append(blocking.post_message("wolves", message).offset)
    offsets.append(asyncio.run(client.post_message("wolves", message)).offset)
if child:
    assert os.waitpid(child, 0)[1] == 0
    print(len(offsets))
"""


def test_a_client_is_used_from_many_threads_and_processes(start_gateway: Callable[..., RealGateway]) -> None:
    real = start_gateway(API_KEY)
    with sync_client(http(real)) as backend:
        backend.post_message("wolves", MESSAGE)
        with ThreadPoolExecutor(8) as threads:
            offsets = [task.offset for task in threads.map(lambda _: backend.post_message("wolves", MESSAGE), range(40))]
        assert sorted(offsets) == list(range(2, 42))
        command = [sys.executable, "-c", FORKING, http(real), KEY]
        assert subprocess.check_output(command, text=True, cwd=ROOT / "sdk-python", timeout=50) == "5\n"
        assert backend.post_message("wolves", MESSAGE).offset == 51


def test_a_gateway_that_is_silent_ends_the_attempt() -> None:
    silent = threading.Event()

    def respond(server: Front, number: int) -> None:
        if number > 1:
            server.send_response(202)
            server.wfile.write(b"content-length: 5\r\n\r\n{")
            server.wfile.flush()
        silent.wait(30)
        server.cut()

    with front(respond) as address, sync_client(address, attempts=2, timeout=0.2) as backend:
        late = failure(lambda: backend.send_notification(NOTIFICATION))
        silent.set()
    assert (late.code, late.outcome) == ("connection", "unknown")


def test_cancelling_and_closing_end_the_waiting() -> None:
    arrived, release = threading.Event(), threading.Event()

    def respond(server: Front, number: int) -> None:
        arrived.set()
        release.wait(30)
        server.cut()

    async def story(address: str) -> None:
        backend = publish.Client(address, KEY)
        cancelled = asyncio.create_task(backend.send_notification(NOTIFICATION))
        await asyncio.to_thread(arrived.wait)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        arrived.clear()
        waiting = [asyncio.create_task(backend.send_notification(NOTIFICATION)) for _ in range(20)]
        await asyncio.to_thread(arrived.wait)
        await backend.close()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(error, gateway.ClosedError) for error in ended)
        with pytest.raises(gateway.ClosedError):
            await backend.send_notification(NOTIFICATION)

    with front(respond) as address:
        run(lambda: story(address))
        # No release of the server is needed for the threads to end.
        for thread in threading.enumerate():
            if thread.name.startswith("gateway-publish"):
                thread.join(20)
                assert not thread.is_alive()
        release.set()


def test_an_http_client_of_the_app_sends_the_requests(start_gateway: Callable[..., RealGateway]) -> None:
    import httpx

    real = start_gateway(API_KEY)
    with httpx.Client(follow_redirects=False) as own:

        def transport(request: publish.HttpRequest) -> publish.HttpAnswer:
            try:
                answer = own.request(
                    request.method, request.url, headers=request.headers, content=request.body, timeout=request.timeout
                )
            except httpx.TransportError as error:
                raise OSError(str(error)) from error
            return publish.HttpAnswer(answer.status_code, answer.headers, answer.content)

        backend = sync_client(http(real) + "/", transport=transport, attempts=2)
        assert backend.post_message("wölfe/1", MESSAGE).offset == 1
        real.kill()
        assert failure(lambda: backend.post_message("wolves", MESSAGE)).code == "connection"


def test_publishing_loads_neither_the_core_nor_the_network_library() -> None:
    code = (
        "import sys; from gateway.publish import SyncClient; SyncClient('http://a', 'k').close(); "
        "print(sorted(name for name in sys.modules if name == 'gateway._core' or name.startswith('websockets')))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT / "sdk-python") == "[]\n"


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert methods(publish.Client) == methods(publish.SyncClient) > {"send_notification", "post_message", "publish_event"}
    for name in publish.__all__:
        assert hasattr(publish, name)


def test_generated_publishers_publish_declared_events(start_service: Callable[..., RealGateway]) -> None:
    real = start_service(GOLDEN.parent / "contracts/orders.service.toml", API_KEY)
    generated = load("publishers")
    summary = generated.OrderSummary(order_id="42", status="shipped")

    async def story() -> None:
        async with (
            gateway.Client(real.url, token=real.token("ada")) as ada,
            publish.Client(http(real), KEY) as backend,
            ada.topic("orders", "news").subscribe() as news,
            ada.topic("orders", "depot-eu--1").subscribe() as depot,
        ):
            orders = generated.OrdersPublisher(backend)
            first = await orders.news(summary, event_id="e1")
            assert await orders.news(summary, event_id="e1") == first
            stored = await next_of(news, gateway.TopicMessage)
            assert (stored.offset, stored.data) == (first.offset, {"orderId": "42", "status": "shipped"})
            await orders.depot("eu", "1", generated.CourierPosition(lat=52.5, lon=13.4))
            assert (await next_of(depot, gateway.EphemeralEvent)).data == {"lat": 52.5, "lon": 13.4}
            assert (await orders.order("42", generated.OrderComment(text="Please ring."))).offset == 1
            with pytest.raises(ValueError, match="region"):
                await orders.depot("eu-", "1", generated.CourierPosition(lat=0, lon=0))
            with pytest.raises(PublishError) as refused:
                await orders.depot("eu", "1", generated.CourierPosition(lat=100, lon=0))
            assert refused.value.status == 422 and "/lat" in json.dumps(refused.value.details)

    run(story)
    with sync_client(http(real)) as backend:
        orders = generated.OrdersSyncPublisher(backend)
        assert orders.order("42", generated.OrderComment(text="And again.")).offset == 2
        assert orders.depot("eu", "1", generated.CourierPosition(lat=1, lon=2)) is None
