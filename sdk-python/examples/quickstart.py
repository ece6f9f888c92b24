"""The quick start of the README: sends a message and prints it as it arrives."""

import asyncio
import os

from gateway import Client


async def main() -> None:
    async with Client(os.environ["GATEWAY_URL"], token=os.environ["GATEWAY_TOKEN"]) as client:
        chat = client.clan_chat("clan123")
        async with chat.subscribe() as events:
            await chat.send("hello")
            print(await events.next())


asyncio.run(main())
