"""Answers chat messages that contain "help": the gateway sends messages by a webhook, and the answer goes over the HTTP API.

GATEWAY_HTTP=http://127.0.0.1:4000 GATEWAY_API_KEY=… WEBHOOK_SECRET=whsec_… PORT=8080 python examples/backend.py
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from gateway.publish import PostMessage, PublishError, SignatureError, SyncClient, Verifier

client = SyncClient(os.environ["GATEWAY_HTTP"], os.environ["GATEWAY_API_KEY"])
verifier = Verifier(os.environ["WEBHOOK_SECRET"])


class Webhook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            verifier.verify(self.headers, body)
        except SignatureError:
            return self.answer(401)
        for event in json.loads(body)["events"]:
            if event["type"] != "chat.message" or "help" not in event["content"]:
                continue
            # The gateway may send an event twice. With this id, the answer is stored once.
            answer = PostMessage(content=f"Help is on its way, {event['userId']}.", id=f"help-{event['id']}")
            try:
                client.post_message(event["clanId"], answer)
            except PublishError as error:
                print(error)
                return self.answer(503)
        self.answer(204)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Webhook)
print("listens on port", server.server_port, flush=True)
server.serve_forever()
