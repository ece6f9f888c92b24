#!/usr/bin/env python3
"""A backend service that publishes to clients: through RabbitMQ with confirms, and through the HTTP API.

    pip install pika
    python3 publish.py --amqp amqp://localhost/%2f --gateway http://localhost:4000 --api-key KEY --user alice --clan clan123

Prints one JSON line for each event once it is confirmed. With --amqp alone, or --gateway alone, it uses that only.
"""

import argparse
import json
import time
import urllib.request
import uuid
from urllib.parse import quote

import pika
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker, NackError, UnroutableError

EXCHANGE = "gateway.inbound"


def word(identifier):
    """An identifier as part of a routing key: percent-encoded outside [A-Za-z0-9_-], so that a dot separates nothing."""
    return quote(identifier, safe="").replace(".", "%2E").replace("~", "%7E")


class Publisher:
    """Publishes events and returns when the broker has taken responsibility for them."""

    def __init__(self, url):
        self.parameters = pika.URLParameters(url)
        self.channel = None

    def connect(self):
        self.channel = pika.BlockingConnection(self.parameters).channel()
        # The gateway declares the exchange. Asking whether it is there says early that no gateway ever was.
        self.channel.exchange_declare(EXCHANGE, exchange_type="topic", passive=True)
        self.channel.confirm_delivery()

    def publish(self, routing_key, body, attempts=10):
        """Publishes one event, again and again with the same id: what comes twice is delivered once."""
        body = {"id": str(uuid.uuid4()), **body}
        properties = pika.BasicProperties(
            content_type="application/json", delivery_mode=pika.DeliveryMode.Persistent, message_id=body["id"]
        )
        for attempt in range(attempts):
            try:
                if self.channel is None or self.channel.is_closed:
                    self.connect()
                # Mandatory: without it the broker confirms also what it has no queue for.
                self.channel.basic_publish(EXCHANGE, routing_key, json.dumps(body), properties, mandatory=True)
                return body["id"]
            except (AMQPConnectionError, NackError, UnroutableError) as error:
                problem = error
            except ChannelClosedByBroker as error:
                raise SystemExit(f"the broker refuses: {error.reply_text}; has a gateway been connected to it?")
            time.sleep(min(0.25 * 2**attempt, 5))
        raise SystemExit(f"not published after {attempts} attempts: {problem!r}")


def post(gateway, api_key, path, body):
    """One call of the HTTP API; 202 means stored."""
    request = urllib.request.Request(
        f"{gateway}/api/v1/{path}",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--amqp", help="the broker, such as amqp://user:password@host:5672/%%2f")
    arguments.add_argument("--gateway", help="the gateway's HTTP API, such as http://localhost:4000")
    arguments.add_argument("--api-key", default="")
    arguments.add_argument("--user", default="alice")
    arguments.add_argument("--clan", default="clan123")
    chosen = arguments.parse_args()

    def say(**event):
        print(json.dumps(event), flush=True)

    if chosen.amqp:
        publisher = Publisher(chosen.amqp)
        notification = {"title": "Quest", "message": "The gate is open.", "data": {"quest": 7}, "ttlSeconds": 3600}
        say(published="notification", by="amqp", id=publisher.publish(f"notification.{word(chosen.user)}", notification))
        message = {"content": "Hello from the backend, by RabbitMQ"}
        say(published="clan_chat", by="amqp", id=publisher.publish(f"clan_chat.{word(chosen.clan)}", message))
    if chosen.gateway:
        notification = {"userId": chosen.user, "title": "War", "message": "It begins at noon.", "id": str(uuid.uuid4())}
        answer = post(chosen.gateway, chosen.api_key, "notifications", notification)
        say(published="notification", by="http", id=answer["ids"][0])
        message = {"content": "Hello from the backend, by HTTP", "id": str(uuid.uuid4())}
        answer = post(chosen.gateway, chosen.api_key, f"clans/{quote(chosen.clan, safe='')}/messages", message)
        say(published="clan_chat", by="http", id=answer["messageId"])


if __name__ == "__main__":
    main()
