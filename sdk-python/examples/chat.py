"""A chat in the terminal: prints what others write, and sends each line of the input.

GATEWAY_URL=ws://127.0.0.1:4000/ws GATEWAY_TOKEN=… python examples/chat.py clan123
"""

from __future__ import annotations

import asyncio
import os
import sys

from gateway import Chat, Client, ClosedError, Gap, GatewayError, PresenceChanged, Subscription


async def show(events: Subscription) -> None:
    """Prints what happens in the clan."""
    async for event in events:
        match event.message:
            case Chat() as chat:
                print(f"{chat.user_id}: {chat.content}", flush=True)
            case PresenceChanged() as changed:
                print(f"* {changed.user_id} is {changed.status}", flush=True)
            case Gap() as gap:
                print(f"* messages are missing: {gap.reason}", flush=True)


async def main(clan: str) -> None:
    """Chats until the input ends."""
    async with Client(os.environ["GATEWAY_URL"], token=os.environ["GATEWAY_TOKEN"]) as client:
        chat = client.clan_chat(clan)
        async with chat.subscribe(history=20, presence=True) as events:
            showing = asyncio.create_task(show(events))
            # Reading the terminal blocks, so it happens in a thread.
            while line := await asyncio.to_thread(sys.stdin.readline):
                try:
                    await chat.send(line.rstrip("\n"))
                except ClosedError:
                    break
                except GatewayError as error:
                    print(f"* not sent: {error}", flush=True)
        await showing


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "clan123"))
