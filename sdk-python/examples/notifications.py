"""A worker that handles the notifications of a user, and acknowledges each one when it is done.

GATEWAY_URL=ws://127.0.0.1:4000/ws GATEWAY_TOKEN=… python examples/notifications.py
"""

from __future__ import annotations

import asyncio
import os
import signal

from gateway import Client, Notification


async def handle(notification: Notification) -> None:
    """Does the work. After a crash before the acknowledgement the notification comes again."""
    print(f"{notification.id} {notification.title}: {notification.message}", flush=True)


async def main() -> None:
    """Works until SIGTERM or Ctrl+C."""
    async with Client(os.environ["GATEWAY_URL"], token=os.environ["GATEWAY_TOKEN"]) as client:
        async with client.notifications.subscribe() as events:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                # The loop below ends then, after the notification that it handles.
                loop.add_signal_handler(number, events.close)
            async for event in events:
                if isinstance(event.message, Notification):
                    await handle(event.message)
                    await client.notifications.ack(event.message.id)


asyncio.run(main())
