"""The adapter of the Python SDK for `gateway conformance`: carries out commands from stdin, and writes what happens to stdout.
docs/conformance.md has the protocol.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from commands import Commands
from output import CANCELED, emit, failure

import gateway

Running = dict[int, "asyncio.Task[None]"]
"""The commands that are being carried out, by their ids."""


async def main() -> None:
    """Starts the commands in the order of their lines, until the end of the input."""
    emit(
        event="hello",
        protocol=1,
        name="gateway-python",
        version=gateway.__version__,
        core=gateway.core_digest(),
        skip=[],
    )
    commands = Commands()
    running: Running = {}
    # The thread gives each command a turn of the loop before the next line, so a call has begun when it is canceled.
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        command: dict[str, Any] = json.loads(line)
        if command["do"] == "cancel":
            task = running.get(command["of"])
            if task is not None:
                task.cancel()
            emit(event="done", id=command["id"])
        else:
            running[command["id"]] = asyncio.create_task(_carry_out(commands, command, running))
    await commands.reset()


async def _carry_out(commands: Commands, command: dict[str, Any], running: Running) -> None:
    number = command["id"]
    try:
        value = await commands.carry_out(command)
    except asyncio.CancelledError:
        emit(event="done", id=number, error=CANCELED)
    except Exception as error:
        emit(event="done", id=number, error=failure(error))
    else:
        emit(event="done", id=number, value=value)
    finally:
        del running[number]


if __name__ == "__main__":
    asyncio.run(main())
