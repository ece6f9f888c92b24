"""What a gateway must not send leads to another connection or is ignored, and never to a crash or a call that hangs."""

from __future__ import annotations

import asyncio

import pytest
from conftest import run
from scripted import CLOSE, TEXT, Scripted, chat, encoded
from scripted_client import aside, next_chat, online, outcome_of, subscribed

from gateway import Client

RUBBISH = {
    "no JSON": encoded(TEXT, "hello"),
    "empty": encoded(TEXT, ""),
    "no type": encoded(TEXT, "{}"),
    "deep": encoded(TEXT, "[" * 60_000),
    "binary": encoded(2, b"\x00\xff"),
    "no UTF-8": encoded(TEXT, b'{"type":"\xff"}'),
    "surrogates": encoded(TEXT, '{"type":"chat","clanId":"\\ud800"}'),
    "another greeting": encoded(TEXT, '{"type":"connected"}'),
    "a result of nothing": encoded(TEXT, '{"type":"message_sent","requestId":"99","messageId":"m","offset":1}'),
    "a masked frame": b"\x81\x81\x00\x00\x00\x00x",
    "a reserved bit": b"\xf1\x01x",
    "an unknown opcode": b"\x83\x00",
    "a bad close code": encoded(CLOSE, b"\x00\x01"),
    "a short close": encoded(CLOSE, b"\x00"),
    "a frame of 8 MiB": encoded(TEXT, "x" * (8 << 20)),
    "the end": b"",
    "an error of no words": encoded(TEXT, '{"type":"error","code":"later","message":"x"}'),
}


@pytest.mark.parametrize("rubbish", RUBBISH.values(), ids=RUBBISH.keys())
def test_a_gateway_that_sends_rubbish(scripted: Scripted, rubbish: bytes) -> None:
    async def story() -> None:
        async with online(scripted) as (client, peer):
            events = await subscribed(client, peer)

            def send() -> None:
                try:
                    peer.write_raw(rubbish)
                except OSError:
                    # The client has ended the connection in the middle of it, as it may.
                    return
                finally:
                    peer.socket.close()

            sending = asyncio.create_task(aside(send))
            successor = await aside(scripted.accepted)
            await sending
            successor.confirm(await aside(successor.command, "subscribe_clan_chat"), recovered=True)
            successor.write(TEXT, chat(1, "hello"))
            assert (await next_chat(events)).content == "hello"

    run(story)


@pytest.mark.parametrize(
    "answer",
    [
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: no\r\n\r\n",
        "220 mail.example.com ESMTP\r\n",
        "",
    ],
    ids=["a page", "a redirect to itself", "a wrong key", "another protocol", "nothing"],
)
def test_a_server_that_is_no_gateway(scripted: Scripted, answer: str) -> None:
    scripted.refusal = answer.encode()

    async def story() -> None:
        async with Client(scripted.url, token="token", reconnect=(10, 10)) as client:
            connecting = asyncio.create_task(outcome_of(client.connect()))
            async for state in client.states():
                if state.error is not None:
                    assert state.status in ("connecting", "reconnecting") and state.error.code == "connection"
                    break
            await asyncio.wait_for(client.close(), 3)
            await connecting
            assert scripted.refused == 1

    run(story)
