"""What all tests use: time limits, the real gateway and the scripted one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from real_gateway import RealGateway
from scripted import Scripted

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 60
"""How many seconds a test may take."""


def run(test: Callable[[], Awaitable[T]]) -> T:
    """Runs a test on a loop of its own, with a time limit."""

    async def limited() -> T:
        return await asyncio.wait_for(test(), LIMIT)

    return asyncio.run(limited(), debug=False)


@pytest.fixture
def gateway_program() -> Path:
    """The program of the gateway. The step `python` of `cargo xtask test` names it."""
    path = Path(os.environ.get("GATEWAY", ROOT / "target/debug/gateway"))
    assert path.is_file(), f"{path}: build a gateway by `cargo build --bin gateway`, or name its program by GATEWAY"
    return path


@pytest.fixture
def start_gateway(gateway_program: Path, tmp_path: Path) -> Iterator[Callable[..., RealGateway]]:
    """Starts gateways that end with the test."""
    started: list[RealGateway] = []

    def start(settings: str = "") -> RealGateway:
        folder = tmp_path / f"gateway{len(started)}"
        folder.mkdir()
        gateway = RealGateway(gateway_program, folder, settings)
        started.append(gateway)
        gateway.run()
        return gateway

    yield start
    for gateway in started:
        gateway.kill()


@pytest.fixture
def real(start_gateway: Callable[..., RealGateway]) -> RealGateway:
    """A real gateway."""
    return start_gateway()


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """A gateway that does what a test says."""
    gateway = Scripted()
    yield gateway
    gateway.stop()
