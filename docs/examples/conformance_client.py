"""A client of the gateway written by hand over plain `websockets`, with an adapter for `gateway conformance`.

It does what most people write first: it authenticates, subscribes, sends, and connects again after a second. The table in
docs/conformance.md shows what it gets wrong. Run it as

    gateway conformance -- python3 docs/examples/conformance_client.py
"""

import asyncio
import json
import sys
import uuid

import websockets


def emit(**line):
    print(json.dumps(line), flush=True)


class Refused(Exception):
    def __init__(self, code, outcome, retryable=False):
        super().__init__(code)
        self.error = {"code": code, "outcome": outcome, "retryable": retryable}


class Client:
    """One connection, which is opened again a second after it was lost."""

    def __init__(self, name, url, ask):
        self.name, self.url, self.ask = name, url, ask
        self.online, self.socket, self.last = asyncio.Event(), None, 0
        self.replies, self.streams, self.task = {}, {}, None

    def start(self):
        self.task = self.task or asyncio.create_task(self.run())

    async def run(self):
        while True:
            try:
                # The gateway sends pings. Pings of the client would end a connection that is only slow.
                options = {"compression": None, "ping_interval": None, "subprotocols": ["gateway.v1.json"]}
                async with websockets.connect(self.url, **options) as self.socket:
                    await self.serve()
            except (OSError, websockets.exceptions.WebSocketException):
                pass
            self.online.clear()
            for reply in self.replies.values():
                if not reply.done():
                    reply.set_exception(Refused("disconnected", "unknown", True))
            emit(event="state", client=self.name, status="reconnecting")
            await asyncio.sleep(1)

    async def serve(self):
        reader = asyncio.create_task(self.read())
        try:
            await self.command("authenticate", token=await self.ask(self.name), client={"name": "by-hand", "version": "1"})
            self.online.set()
            emit(event="state", client=self.name, status="online")
            for fields in self.streams.values():
                await self.command(**fields)
            await reader
        finally:
            reader.cancel()

    async def read(self):
        async for text in self.socket:
            message = json.loads(text)
            reply = self.replies.get(message.get("requestId"))
            if reply and not reply.done():
                if message["type"] == "error":
                    reply.set_exception(Refused(message["code"], "refused"))
                else:
                    reply.set_result(message)
                continue
            for stream, fields in self.streams.items():
                if all(fields.get(key) == message.get(key) for key in ("clanId", "service", "topic")):
                    self.item(stream, fields, message)

    def item(self, stream, fields, message):
        position = None
        if "offset" in message and "recover" in fields:
            position = fields["recover"] = {**fields["recover"], "offset": message["offset"]}
        emit(event="item", stream=stream, item=message, position=position)

    async def command(self, type, **fields):
        self.last += 1
        request = str(self.last)
        reply = self.replies[request] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps({"type": type, "requestId": request, **fields}))
        return await reply

    async def call(self, type, **fields):
        self.start()
        await self.online.wait()
        return await self.command(type, **fields)

    async def close(self):
        if self.task:
            self.task.cancel()
            if self.socket:
                await self.socket.close()
        emit(event="state", client=self.name, status="closed")


class Adapter:
    def __init__(self):
        self.clients, self.questions, self.running = {}, {}, {}

    async def ask(self, client):
        ask = len(self.questions) + 1
        self.questions[ask] = asyncio.get_running_loop().create_future()
        emit(event="token", client=client, ask=ask)
        return await self.questions[ask]

    async def carry_out(self, c):
        client, topic = self.clients.get(c.get("client")), c.get("topic")
        where = {"clanId": topic["clan"]} if isinstance(topic, dict) and "clan" in topic else topic
        match c["do"]:
            case "open":
                self.clients[c["client"]] = Client(c["client"], c["url"], self.ask)
            case "connect":
                client.start()
                await client.online.wait()
            case "subscribe":
                if topic == "notifications":
                    fields = {"type": "subscribe_notifications"}
                else:
                    fields = {"type": "subscribe_clan_chat" if "clan" in topic else "subscribe", **where}
                    fields.update({key: c[key] for key in ("history", "presence") if key in c})
                reply = await client.call(**fields)
                if "offset" in reply:
                    fields["recover"] = {"offset": reply["offset"], "epoch": reply["epoch"]}
                client.streams[c["stream"]] = fields
                return fields.get("recover")
            case "send" if "clan" in topic:
                return await client.call("chat", clientMessageId=c.get("clientMessageId", uuid.uuid4().hex), **where, **c["data"])
            case "send":
                return await client.call("publish", clientMessageId=uuid.uuid4().hex, data=c["data"], **where)
            case "ack":
                await client.call("notification_ack", notificationIds=c["ids"])
            case "history":
                return await client.call("chat_history", **where, **{k: c[k] for k in ("before", "after", "limit") if k in c})
            case "presence":
                return await client.call("presence" if "clan" in topic else "topic_presence", **where)
            case "request":
                return await client.call(c["type"], **c["fields"])
            case "token" if not self.questions[c["ask"]].done():
                self.questions[c["ask"]].set_result(c.get("token", ""))
            case "token":
                pass
            case "cancel":
                if c["of"] in self.running:
                    self.running[c["of"]].cancel()
            case "close":
                await client.close()
            case "reset":
                await asyncio.gather(*(client.close() for client in self.clients.values()))
                self.clients.clear()
            case _:
                raise Refused("unsupported", "not_sent")

    async def run(self, c):
        done = {"event": "done", "id": c["id"]}
        try:
            done["value"] = await self.carry_out(c)
        except Refused as refused:
            done["error"] = refused.error
        except asyncio.CancelledError:
            done["error"] = {"code": "canceled", "outcome": "unknown", "retryable": True}
        except Exception as error:
            done["error"] = {"code": "failed", "outcome": "unknown", "retryable": False, "message": repr(error)}
        emit(**done)


async def main():
    emit(event="hello", protocol=1, name="by-hand-python", version="1", skip=["call", "typing", "wake", "read", "leave"])
    adapter, loop = Adapter(), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        adapter.running[command["id"]] = asyncio.create_task(adapter.run(command))


asyncio.run(main())
