"""The verification of what the real gateway sends to a backend."""

from __future__ import annotations

import json
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from conftest import ROOT
from real_gateway import RealGateway
from test_services import EXAMPLE, SECRET

import gateway
from gateway.publish import TOLERANCE, SignatureError, Verifier
from gateway.sync import Client

VECTORS = json.loads((ROOT / "protocol/vectors/backend/signatures.json").read_text())
OTHER = "whsec_" + "A" * 32

Received = tuple[Message, bytes]


@pytest.fixture
def receiver() -> Iterator[tuple[str, Queue[Received]]]:
    """A backend that passes requests on to the test."""
    requests: Queue[Received] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(204)
            self.end_headers()
            requests.put((self.headers, body))

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="test-receiver")
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", requests
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    """A file with the secret of the gateway."""
    path = tmp_path / "secret"
    path.write_text(SECRET)
    path.chmod(0o600)
    return path


def test_webhooks_are_verified(
    receiver: tuple[str, Queue[Received]], secret_file: Path, start_gateway: Callable[..., RealGateway]
) -> None:
    url, requests = receiver
    real = start_gateway(
        f'webhooks.shop.url = "{url}"\nwebhooks.shop.secret_file = "{secret_file}"\nwebhooks.shop.events = ["chat.message"]\n'
    )
    with Client(real.url, token=real.token("ada")) as ada:
        ada.clan_chat("wolves").send("hello")
    headers, body = requests.get(timeout=30)
    check(headers, body)
    assert json.loads(body)["events"][0]["content"] == "hello"


def test_calls_are_verified(
    receiver: tuple[str, Queue[Received]], secret_file: Path, start_gateway: Callable[..., RealGateway]
) -> None:
    url, requests = receiver
    real = start_gateway(
        f'services.orders.contract = "{EXAMPLE}"\n'
        f'services.orders.backend.url = "{url}"\nservices.orders.backend.secret_file = "{secret_file}"\n'
    )
    with Client(real.url, token=real.token("ada")) as ada, pytest.raises(gateway.GatewayError):
        # The answer of the backend is not the subject.
        ada.call("orders", "place", {"items": ["tea"]})
    headers, body = requests.get(timeout=30)
    check(headers, body)
    assert json.loads(body)["data"] == {"items": ["tea"]}


def check(headers: Message, body: bytes) -> None:
    """Shows that changes of a request of the gateway are refused."""
    verifier, now = Verifier(OTHER, SECRET), time.time()
    verifier.verify(headers, body)
    verifier.verify({name.upper(): value for name, value in headers.items()}, body.decode(), now=now)
    plain = {name.lower(): value for name, value in headers.items()}
    refused("signature", Verifier(OTHER), plain, body)
    refused("signature", verifier, plain, body + b" ")
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"]:
        for value in ["", "1", "v1,", "v1,ü", "v2,AAAA", plain[name] + "0", "\ud800"]:
            refused("signature", verifier, {**plain, name: value}, body)
        refused("signature", verifier, {other: value for other, value in plain.items() if other != name}, body)
    for late in [TOLERANCE + 2, -TOLERANCE - 2]:
        refused("time", verifier, plain, body, now=now + late)
    verifier.verify({**plain, "webhook-signature": "v1,AAAA v1a,x " + plain["webhook-signature"]}, body)


def refused(code: str, verifier: Verifier, headers: dict[str, str], body: bytes, **options: float) -> None:
    with pytest.raises(SignatureError) as error:
        verifier.verify(headers, body, **options)
    assert error.value.code == code
    copy = pickle.loads(pickle.dumps(error.value))
    assert (copy.code, str(copy)) == (error.value.code, str(error.value))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_vectors_of_signatures(vector: Any) -> None:
    found = "valid"
    try:
        Verifier(*vector["secrets"]).verify(vector["headers"], vector["body"], now=vector["now"])
    except SignatureError as error:
        found = error.code
    except gateway.InvalidError as error:
        assert "hush" not in str(error)
        found = "secret"
    assert found == vector["result"]
