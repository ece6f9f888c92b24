"""The examples for FastAPI and Django answer requests, with the real gateway."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import django
import httpx
import pytest
from conftest import ROOT, run
from django.conf import settings
from django.test import RequestFactory
from real_gateway import RealGateway


@pytest.fixture
def example(real: RealGateway, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports an example."""
    monkeypatch.setenv("GATEWAY_URL", real.url)
    monkeypatch.setenv("GATEWAY_TOKEN", real.token("ada"))
    monkeypatch.syspath_prepend(str(ROOT / "sdk-python/examples"))

    def load(name: str) -> Any:
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    return load


def test_fastapi(example: Any) -> None:
    module = example("fastapi_app")

    async def story() -> None:
        transport = httpx.ASGITransport(module.app)
        async with (
            module.app.router.lifespan_context(module.app),
            httpx.AsyncClient(transport=transport, base_url="http://test") as browser,
        ):
            sent = await browser.post("/clans/wolves/messages", params={"content": "hello"})
            assert (sent.status_code, list(sent.json())) == (200, ["messageId"])
            refused = await browser.post("/clans/wolves/messages", params={"content": ""})
            assert (refused.status_code, refused.json()["detail"]["code"]) == (400, "invalid")

    run(story)


def test_django(example: Any) -> None:
    settings.configure(SECRET_KEY="a key of the tests", ALLOWED_HOSTS=["*"])
    django.setup()
    module = example("django_view")
    requests = RequestFactory()
    sent = module.send(requests.post("/", {"content": "hello"}), "wolves")
    assert (sent.status_code, list(json.loads(sent.content))) == (200, ["messageId"])
    refused = module.send(requests.post("/", {"content": ""}), "wolves")
    assert (refused.status_code, json.loads(refused.content)["code"]) == (400, "invalid")
    module.client().close()
