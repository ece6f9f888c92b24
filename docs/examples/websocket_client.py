#!/usr/bin/env python3
"""A client without an SDK: it chats in a clan, reads notifications, and misses nothing when its connection breaks.

    pip install websockets            # Python 3.10 or later
    python3 websocket_client.py --url ws://localhost:4000/ws --token TOKEN --clan clan123

With identity-provider.mjs it signs in, and again whenever a token expires:

    python3 websocket_client.py --sign-in http://127.0.0.1:8080/token --user alice --password rabbit

Each line of standard input is said in the clan. Prints one JSON line for each event. It ends with 0 when standard input
ends and all of it is confirmed, and with 1 when the gateway says that it must not come back, such as after another
session of the same user. docs/protocol.md describes every message.
"""

import argparse
import asyncio
import json
import random
import sys
import urllib.error
import urllib.request
import uuid

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

# The longest wait before an attempt to connect, in seconds.
LONGEST_WAIT = 30
# Ids of notifications that are remembered, to tell copies apart.
REMEMBERED = 1000


class MustNotReturn(Exception):
    """The gateway wants this client to stay away until a person does something."""


class Backoff:
    """How long to wait before the next attempt: up to twice as long after each, and at random (full jitter)."""

    def __init__(self):
        self.failures = 0

    def succeeded(self):
        self.failures = 0

    async def wait(self, at_least=0.0):
        longest = min(0.5 * 2 ** min(self.failures, 10), LONGEST_WAIT)
        self.failures += 1
        await asyncio.sleep(at_least + random.uniform(0, longest))


class Client:
    """One user in one clan. What outlives a connection is here: the position, what is not confirmed, what was shown."""

    def __init__(self, url, clan, token, say):
        self.url, self.clan, self.token, self.say = url, clan, token, say
        # The last offset that was shown, and the epoch that it belongs to. An app keeps both on its disk.
        self.position = None
        # Messages that are not confirmed, by their clientMessageId: a repeat with the same id is sent once.
        self.unconfirmed = {}
        self.seen = {}
        self.socket = None
        self.retry_after = 0.0
        self.wants_fresh_token = False
        self.backoff = Backoff()
        self.tasks = set()

    async def run(self):
        """Connects, and connects again, until it must not."""
        while True:
            try:
                await self.session()
            except InvalidStatus as error:
                await self.refused_upgrade(error.response)
            except ConnectionClosed as error:
                await self.closed(error.rcvd.code if error.rcvd else 1006)
            except (OSError, TimeoutError, InvalidHandshake):
                await self.backoff.wait()

    async def session(self):
        """One connection, from the upgrade to its end, which raises ConnectionClosed."""
        token = await self.token(self.wants_fresh_token)
        self.retry_after, self.wants_fresh_token = 0.0, False
        # The library answers the gateway's pings, and its own find a connection that hangs.
        options = {"subprotocols": ["gateway.v1.json"], "max_size": 2**20}
        async with connect(self.url, additional_headers={"Authorization": f"Bearer {token}"}, **options) as socket:
            try:
                while True:
                    message = json.loads(await socket.recv())
                    if message["type"] == "connected":
                        self.socket = socket
                        await self.greeted()
                    else:
                        await self.received(message)
            finally:
                self.socket = None

    async def greeted(self):
        """The connection may be used: subscribe from where we were, and repeat what is not confirmed."""
        self.say(event="connected")
        await self.send({"type": "subscribe_notifications", "requestId": "notifications"})
        await self.subscribe()
        for command in list(self.unconfirmed.values()):
            await self.send(command)

    async def subscribe(self):
        command = {"type": "subscribe_clan_chat", "requestId": "clan", "clanId": self.clan}
        await self.send(command | ({"recover": self.position} if self.position else {}))

    async def chat(self, content):
        """Says something in the clan. It is sent until it is confirmed, over as many connections as that takes."""
        name = str(uuid.uuid4())
        command = {"type": "chat", "requestId": name, "clientMessageId": name, "clanId": self.clan, "content": content}
        self.unconfirmed[name] = command
        await self.send(command)

    async def send(self, message):
        if self.socket:
            try:
                await self.socket.send(json.dumps(message))
            except ConnectionClosed:
                pass  # The reader of this connection sees it too, and what is not confirmed is sent by the next one.

    async def received(self, message):
        match message["type"]:
            case "subscription_confirmed" if message["service"] == "clan_chat":
                self.backoff.succeeded()
                if not message.get("recovered", False):
                    if self.position:
                        # What lies between is not kept any more: an app loads its view again, from chat_history.
                        self.say(event="gap", after=self.position["offset"])
                    self.position = {"offset": message["offset"], "epoch": message["epoch"]}
                self.say(event="subscribed", offset=message["offset"], recovered=message.get("recovered", False))
            case "subscription_reset" if message["service"] == "clan_chat":
                self.say(event="gap", after=self.position["offset"])
                self.position = {"offset": message["offset"], "epoch": message["epoch"]}
            case "subscription_ended" if message["service"] == "clan_chat":
                await self.subscription_ended(message)
            case "notification":
                await self.notified(message)
            case "message_sent":
                if self.unconfirmed.pop(message.get("clientMessageId"), None):
                    self.say(event="confirmed", offset=message["offset"])
            case "error":
                await self.failed(message)
            case "reconnect":
                self.say(event="reconnect", reason=message["reason"])  # It closes with 1012 when it is our turn.
            case _ if message.get("clanId") == self.clan and "offset" in message:
                self.entry(message)
            case _:
                pass  # Of a later version, or of no interest here.

    def entry(self, message):
        """An entry of the clan's log. Also one of an unknown type moves the position."""
        if not self.position or message["offset"] <= self.position["offset"]:
            return
        self.position["offset"] = message["offset"]
        if message["type"] == "chat":
            self.say(event="chat", offset=message["offset"], userId=message["userId"], content=message["content"])

    async def notified(self, notification):
        """Shows a notification once, and acknowledges each copy: until then it comes again on every connection."""
        if notification["id"] not in self.seen:
            self.seen[notification["id"]] = True
            if len(self.seen) > REMEMBERED:
                self.seen.pop(next(iter(self.seen)))
            # An app acknowledges when the user has seen it, or when it is stored on the device.
            self.say(event="notification", id=notification["id"], title=notification["title"])
        await self.send({"type": "notification_ack", "notificationId": notification["id"]})

    async def subscription_ended(self, message):
        if message["code"] != "unavailable":
            raise MustNotReturn(f"the permission for {self.clan} was withdrawn: {message['code']}")
        self.later(0, self.subscribe)

    async def failed(self, error):
        """A command was refused, or the gateway has something to say about the session."""
        code, wait = error["code"], error.get("retryAfterMs", 1000) / 1000
        self.retry_after = error.get("retryAfterMs", 0) / 1000
        command = self.unconfirmed.get(error.get("requestId"))
        if code == "token_expired":
            await self.send({"type": "authenticate", "token": await self.token(True)})
        elif code in ("rate_limited", "unavailable") and command:
            self.later(wait, lambda: self.send(command))
        elif code == "unavailable" and error.get("inReplyTo") == "subscribe_clan_chat":
            self.later(wait, self.subscribe)
        elif error.get("inReplyTo") == "subscribe_clan_chat":
            raise MustNotReturn(f"{self.clan}: {code}: {error['message']}")
        elif command:
            del self.unconfirmed[command["clientMessageId"]]
            self.say(event="refused", code=code, message=error["message"])

    def later(self, seconds, action):
        """Does something after a while, and a random second more."""

        async def wait():
            await asyncio.sleep(seconds + random.uniform(0, 1))
            await action()

        task = asyncio.create_task(wait())
        # The event loop keeps only a weak reference to a task.
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def closed(self, code):
        """Decides by the close code whether and when to connect again (docs/protocol.md, "Close codes")."""
        self.say(event="closed", code=code)
        if code in (1001, 1012):
            # The node shuts down, and others take its clients: immediately, but not all in the same moment.
            await asyncio.sleep(random.uniform(0, 1))
        elif code == 4401 and self.backoff.failures < 3:
            self.wants_fresh_token = True
            await self.backoff.wait()
        elif code in (4423, 4429):
            await self.backoff.wait(self.retry_after or {4423: 5, 4429: 30}[code])
        elif code in (1002, 1003, 1007, 1009) or 4400 <= code < 4500:
            raise MustNotReturn(f"closed with {code}")
        else:
            await self.backoff.wait(self.retry_after)

    async def refused_upgrade(self, response):
        """There was no upgrade: 401 asks for another token, 429 and 503 for patience."""
        self.say(event="refused upgrade", status=response.status_code)
        if response.status_code == 401 and self.backoff.failures < 3:
            self.wants_fresh_token = True
        elif response.status_code in (400, 401, 403, 404):
            raise MustNotReturn(f"the upgrade was refused with HTTP {response.status_code}")
        after = response.headers.get("Retry-After", "0")
        await self.backoff.wait(float(after) if after.isdigit() else 0.0)


def token_source(chosen):
    """Where tokens come from: a function that is asked before each connection, and for a fresh one after an expiry."""
    kept = chosen.token

    def sign_in():
        body = json.dumps({"user": chosen.user, "password": chosen.password}).encode()
        request = urllib.request.Request(chosen.sign_in, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return json.load(response)["token"]
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise MustNotReturn(f"signing in failed with HTTP {error.code}") from error
            raise

    async def token(fresh):
        nonlocal kept
        if fresh and not chosen.sign_in:
            raise MustNotReturn("the token is not valid any more, and there is no other")
        if kept is None or fresh:
            kept = await asyncio.to_thread(sign_in)
        return kept

    return token


async def say_what_is_typed(client):
    """Each line of standard input is a message. Ends with standard input, once everything is confirmed."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        await client.chat(line.decode().rstrip("\n"))
    while client.unconfirmed:
        await asyncio.sleep(0.05)


async def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--url", default="ws://localhost:4000/ws")
    arguments.add_argument("--clan", default="clan123")
    arguments.add_argument("--token", help="a token that does not change")
    arguments.add_argument("--sign-in", help="where a token can be had, such as http://127.0.0.1:8080/token")
    arguments.add_argument("--user", default="alice")
    arguments.add_argument("--password", default="")
    chosen = arguments.parse_args()
    if not chosen.token and not chosen.sign_in:
        arguments.error("give --token or --sign-in")

    def say(**event):
        print(json.dumps(event), flush=True)

    client = Client(chosen.url, chosen.clan, token_source(chosen), say)
    tasks = [asyncio.create_task(client.run()), asyncio.create_task(say_what_is_typed(client))]
    done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    try:
        done.pop().result()
    except MustNotReturn as error:
        say(event="ended", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
