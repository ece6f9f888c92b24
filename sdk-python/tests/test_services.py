"""Declared services, and the code that `gateway codegen --lang python` writes for them, with the real gateway."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, run
from real_gateway import RealGateway
from test_story import next_of

import gateway
from gateway import Client, SubscriptionConfirmed, TopicMessage, TopicPresence, TopicPresenceChanged
from gateway.sync import Client as SyncClient

EXAMPLE = ROOT / "docs/examples/orders/orders.service.toml"
GOLDEN = ROOT / "codegen/tests/golden"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"


class Backend(BaseHTTPRequestHandler):
    """The backend of the service: it places order 42, and refuses to cancel it."""

    def do_POST(self) -> None:
        call = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer: dict[str, Any]
        if call["method"] == "place":
            status, answer = 200, {"data": {"orderId": "42", "later": True}}
        else:
            status, answer = 409, {"code": "too_late", "message": "the order has left"}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def start_service(start_gateway: Callable[..., RealGateway], tmp_path: Path) -> Iterator[Callable[..., RealGateway]]:
    """Starts a gateway with the service of a contract and its backend, and with more settings."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="test-backend")
    thread.start()
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)

    def start(contract: Path, settings: str = "") -> RealGateway:
        return start_gateway(
            f'{settings}services.orders.contract = "{contract}"\n'
            f'services.orders.backend.url = "http://127.0.0.1:{server.server_port}"\n'
            f'services.orders.backend.secret_file = "{secret}"\n'
        )

    yield start
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def orders(start_service: Callable[..., RealGateway]) -> RealGateway:
    """A gateway with the service of docs/examples/orders."""
    return start_service(EXAMPLE)


def load(name: str) -> Any:
    """Returns the golden file of some contracts as a module."""
    spec = importlib.util.spec_from_file_location(f"generated_{name}", GOLDEN / name / "gateway_gen.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks up its module.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def generated() -> Any:
    """The generated code of the example."""
    return load("example")


def test_topics_and_calls_of_a_declared_service(orders: RealGateway) -> None:
    async def story() -> None:
        async with Client(orders.url, token=orders.token("ada")) as ada, Client(orders.url, token=orders.token("bob")) as bob:
            topic = ada.topic("orders", "order-42")
            async with topic.subscribe(presence=True, presence_data={"name": "Ada"}) as events:
                assert (await next_of(events, TopicPresence)).count == 1
                sent = await bob.topic("orders", "order-42").publish({"type": "comment", "text": "hello"})
                assert isinstance(sent, gateway.MessageSent)
                message = await next_of(events, TopicMessage)
                assert (message.data["text"], message.user_id, message.offset) == ("hello", "bob", sent.offset)
            page = await topic.history(limit=1)
            assert page.events[0].offset == sent.offset
            assert await ada.call("orders", "place", {"items": ["tea"]}) == {"orderId": "42", "later": True}
            with pytest.raises(gateway.RefusedError) as refused:
                await ada.call("orders", "cancel", {"orderId": "42"}, call_id="c1")
            assert refused.value.code == "call_failed" and refused.value.details["code"] == "too_late"
            with pytest.raises(gateway.RefusedError, match="does not match its schema"):
                await ada.topic("orders", "order-42").publish({"type": "comment", "text": 5})

    run(story)


def test_subscriptions_that_the_server_makes(orders: RealGateway) -> None:
    async def story() -> None:
        token = orders.token("ada", subscribe=[{"service": "orders", "topic": "order-42"}])
        async with Client(orders.url, token=token) as ada, Client(orders.url, token=orders.token("bob")) as bob:
            async with ada.server_subscriptions() as events:
                confirmed = await next_of(events, SubscriptionConfirmed)
                assert (confirmed.topic, confirmed.origin) == ("order-42", "server")
                await bob.topic("orders", "order-42").publish({"type": "comment", "text": "where is it?"})
                assert (await next_of(events, TopicMessage)).topic == "order-42"

    run(story)


def test_topics_without_history(start_service: Callable[[Path], RealGateway]) -> None:
    real = start_service(GOLDEN.parent / "contracts/orders.service.toml")
    generated = load("orders")

    async def story() -> None:
        async with Client(real.url, token=real.token("ada")) as ada, Client(real.url, token=real.token("bob")) as bob:
            depot, of_bob = (generated.orders(client).depot("north", "7") for client in [ada, bob])
            async with depot.subscribe() as events:
                position = generated.CourierPosition(lat=52.5, lon=13.4)
                assert isinstance(await of_bob.publish(position), gateway.PublishAccepted)
                assert depot.decode(await next_of(events, gateway.EphemeralEvent)) == position

    run(story)


def test_generated_code_uses_a_running_gateway(orders: RealGateway, generated: Any) -> None:
    async def story() -> None:
        async with Client(orders.url, token=orders.token("ada")) as ada, Client(orders.url, token=orders.token("bob")) as bob:
            placed = await generated.orders(ada).place(generated.PlaceRequest(items=["tea", "cups"]))
            assert placed == generated.PlaceResult(order_id="42")
            order, of_bob = generated.orders(ada).order("42"), generated.orders(bob).order("42")
            assert order.name == "order-42"
            async with order.subscribe(presence=True, presence_data=generated.Viewer(name="Ada")) as events:
                async with of_bob.subscribe(presence=True, presence_data=generated.Viewer(name="Bob")):
                    changed = await next_of(events, TopicPresenceChanged)
                    assert order.decode_presence(changed.data) == generated.Viewer(name="Bob")
                    present = await order.presence()
                    assert {order.decode_presence(user.data).name for user in present.users} == {"Ada", "Bob"}
                    comment = generated.OrderComment(text="Please ring.")
                    sent = await of_bob.publish(comment)
                    message = await next_of(events, TopicMessage)
                    assert order.decode(message) == comment and message.offset == sent.offset
            page = await order.history(limit=1)
            assert [order.decode(entry) for entry in page.events] == [comment]
            with pytest.raises(gateway.RefusedError):
                await generated.orders(ada).cancel(generated.CancelRequest(order_id="42"), call_id="c2")
        with SyncClient(orders.url, token=orders.token("ada")) as client:
            service = generated.orders(client.asynchronous)
            assert client.run(service.place(generated.PlaceRequest(items=["tea"]))).order_id == "42"

    run(story)


def test_generated_code_keeps_what_a_newer_contract_adds(generated: Any) -> None:
    returned = {"weight": 1.5, "type": "returned"}
    assert generated.decode_order_event(returned) == gateway.codec.Unknown(returned)
    assert generated.decode_order_event(returned).encode() == returned
    assert generated.decode_order_event({"type": "status", "status": "lost"}).status == "lost"
    assert generated.decode_order_event({"type": "comment", "text": "found", "later": 1}).text == "found"
    with pytest.raises(gateway.DecodeError, match="text must be a text, not a number"):
        generated.decode_order_event({"type": "comment", "text": 5})


def test_generated_code_is_what_the_gateway_writes(gateway_program: Path, tmp_path: Path) -> None:
    publishers: list[str | Path] = [gateway_program, "codegen", "--lang", "python", "--backend", "--out", tmp_path / "backend"]
    subprocess.run([*publishers, GOLDEN.parent / "contracts/orders.service.toml"], check=True, capture_output=True)
    written = (tmp_path / "backend/gateway_gen.py").read_text()
    assert written.split("\n", 1)[1] == (GOLDEN / "publishers/gateway_gen.py").read_text().split("\n", 1)[1]
    codegen: list[str | Path] = [gateway_program, "codegen", "--lang", "python", "--out", tmp_path, EXAMPLE]
    subprocess.run(codegen, check=True, capture_output=True)
    written = (tmp_path / "gateway_gen.py").read_text()
    # The first line names the command.
    assert written.split("\n", 1)[1] == (GOLDEN / "example/gateway_gen.py").read_text().split("\n", 1)[1]
    subprocess.run([*codegen, "--check"], check=True, capture_output=True)
    (tmp_path / "gateway_gen.py").write_text(written + "\n")
    assert subprocess.run([*codegen, "--check"], check=False, capture_output=True).returncode == 1


def test_generated_code_passes_mypy(tmp_path: Path) -> None:
    files = []
    for golden in sorted(GOLDEN.glob("*/gateway_gen.py")):
        file = tmp_path / f"{golden.parent.name}.py"
        file.write_text(golden.read_text())
        files.append(file)
    assert len(files) == 5
    use = tmp_path / "use.py"
    use.write_text(
        "from example import OrderComment, OrderPlaced, OrderStatus, PlaceRequest, orders\n"
        "from gateway import Client, TopicMessage\n"
        "async def use(client: Client, message: TopicMessage) -> str:\n"
        "    placed = await orders(client).place(PlaceRequest(items=['tea']))\n"
        "    match orders(client).order(placed.order_id).decode(message):\n"
        "        case OrderComment() as comment:\n"
        "            return comment.text\n"
        "        case OrderPlaced() as order:\n"
        "            return order.items[0]\n"
        "        case OrderStatus() as status:\n"
        "            return status.status\n"
        "        case unknown:\n"
        "            return str(unknown.json)\n"
        "from publishers import OrderSummary, OrdersPublisher, OrdersSyncPublisher\n"
        "from gateway import publish\n"
        "async def publish_event(client: publish.Client) -> int:\n"
        "    accepted = await OrdersPublisher(client).news(OrderSummary(order_id='42', status='shipped'))\n"
        "    return accepted.offset\n"
        "def publish_blocking(client: publish.SyncClient) -> int:\n"
        "    return OrdersSyncPublisher(client).news(OrderSummary(order_id='42', status='shipped'), event_id='e1').offset\n"
    )
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--python-version",
        "3.10",
        "--no-incremental",
        *files,
        use,
    ]
    environment = {"MYPYPATH": f"{ROOT / 'sdk-python'}:{tmp_path}", "PATH": "/usr/bin:/bin"}
    checked = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_hostile_names_are_read_and_written() -> None:
    hostile = load("hostile")
    values: list[tuple[Any, Any]] = [
        (hostile.Box.decode, {"left": {"left": None, "maybe": None}, "maybe": {"left": None, "maybe": None}}),
        (hostile.Deep.decode, {"a": {"b": {"c": [[{"d": "x", "e": None}], [{"e": {"up": {"a": {}}}}]]}}}),
        (
            hostile.Promise.decode,
            dict.fromkeys(["type", "fn", "self", "Self", "constructor", "__proto__", ""], "x")
            | {
                "nothing": None,
                "union": [1.5],
                "async": -9007199254740993,
                "static": "always",
                "3d": True,
                'quote"back\\slash\nline': "k",
                "大小": "j",
                "größe": "i",
            },
        ),
        (hostile.decode_union, {'k"ind': "Self", "extra": "second constant"}),
        (hostile.decode_union, {'k"ind': 'nested "quoted"', "inner": {'k"ind': "unknown"}}),
        (hostile.decode_union, {'k"ind': "later", "x": [1, {"y": None}]}),
        (hostile.Untyped.decode, {"missing": None, "number": 3, "single": {"value": 1.5}}),
    ]
    for decode, value in values:
        assert decode(value).encode() == value
    assert hostile.decode_union(None) is None and hostile.encode_union(None) is None
    assert hostile.decode_vec([[], [[[]]]]) == [[], [[[]]]]
    topic = hostile.type(Client("ws://localhost/ws", token="t")).delete("a", "b", "c", "d")
    assert topic.name == 'class-a"`$x\\--b:c:d'
