#!/usr/bin/env python3
"""A backend service that reads what the gateway publishes: messages, acknowledgements, sessions.

    pip install pika
    python3 consume.py --amqp amqp://localhost/%2f --queue moderation --keys 'chat.message.*' 'session.#'

Prints one JSON line for each event. An event comes at least once: its `id` tells copies apart.
"""

import argparse
import json

import pika

EXCHANGE = "gateway.outbound"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--amqp", required=True, help="the broker, such as amqp://user:password@host:5672/%%2f")
    arguments.add_argument("--queue", default="example", help="a queue of this service's own, which keeps what it misses")
    arguments.add_argument("--keys", nargs="+", default=["#"], help="which events, by routing key")
    arguments.add_argument("--count", type=int, default=0, help="ends after this number of events; 0 continues until it is stopped")
    chosen = arguments.parse_args()

    channel = pika.BlockingConnection(pika.URLParameters(chosen.amqp)).channel()
    # The same as the gateway declares, so that either may come first.
    channel.exchange_declare(EXCHANGE, exchange_type="topic", durable=True)
    channel.queue_declare(chosen.queue, durable=True, arguments={"x-queue-type": "quorum"})
    for key in chosen.keys:
        channel.queue_bind(chosen.queue, EXCHANGE, key)
    channel.basic_qos(prefetch_count=64)

    # A real service keeps the ids in its database, in the transaction in which it does its work.
    seen = set()
    for method, _, body in channel.consume(chosen.queue):
        event = json.loads(body)
        if event["id"] not in seen:
            seen.add(event["id"])
            print(json.dumps({"routingKey": method.routing_key, **event}), flush=True)
        # Only now: what was not acknowledged comes again.
        channel.basic_ack(method.delivery_tag)
        if len(seen) == chosen.count:
            break


if __name__ == "__main__":
    main()
