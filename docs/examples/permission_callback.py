#!/usr/bin/env python3
"""A backend service that decides what a user may do: the gateway asks it for each topic (permissions.url).

    export GATEWAY_PERMISSIONS__SECRET="whsec_$(openssl rand -base64 32)"
    python3 permission_callback.py --port 8081 --members members.json

    GATEWAY_PERMISSIONS__SOURCE=http GATEWAY_PERMISSIONS__URL=http://127.0.0.1:8081/permissions gateway serve

members.json says who is in which clan, such as {"clan123": {"alice": "member", "bob": "guest"}}: a guest reads, a member
writes too. It is read again when it changes, and the gateway withdraws what a user lost when the last answer has expired.

The gateway signs each question as Standard Webhooks defines it, and this service checks the signature. Several secrets
with commas between them are accepted at the same time, so that one can be replaced. Where the network between the two is
not yours alone, use https:// so that no other machine reads the questions or changes the answers.

Prints one JSON line when it listens, and one for each question. It uses nothing but Python's standard library.
"""

import argparse
import base64
import binascii
import hashlib
import hmac
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# How long the gateway may use an answer, in seconds. Long answers save requests, short ones withdraw sooner.
TTL_SECONDS = 30
# In bytes. A question has some identifiers and words, and the claims of permissions.claims.
LONGEST_QUESTION = 32 * 1024
# How old a question may be, in seconds, so that one that was recorded cannot be sent again much later.
OLDEST_QUESTION = 300


def is_signed(headers, body, secrets):
    """Whether one of the signatures was made with one of the secrets, and not too long ago."""
    try:
        sent_at = int(headers.get("webhook-timestamp", ""))
    except ValueError:
        return False
    if abs(time.time() - sent_at) > OLDEST_QUESTION:
        return False
    signed = f"{headers.get('webhook-id', '')}.{sent_at}.".encode() + body
    given = headers.get("webhook-signature", "").split(" ")
    expected = [base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode() for secret in secrets]
    return any(hmac.compare_digest(f"v1,{right}".encode(), one.encode()) for right in expected for one in given)


class Members:
    """Who is in which clan, and as what, from a file that may change."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.changed = None
        self.clans = {}

    def role(self, clan, user):
        with self.lock:
            changed = os.stat(self.path).st_mtime_ns
            if changed != self.changed:
                with open(self.path, encoding="utf-8") as file:
                    self.clans = json.load(file)
                self.changed = changed
            return self.clans.get(clan, {}).get(user)


def is_allowed(members, question):
    """The decision: yes only for what is known and granted."""
    if question["service"] != "clan_chat":
        return False
    role = members.role(question["topic"], question["userId"])
    if question["action"] in ("subscribe", "read"):
        return role in ("member", "guest")
    return question["action"] == "publish" and role == "member"


class Handler(BaseHTTPRequestHandler):
    # The gateway keeps its connections: a handshake for each question would take longer than the answer.
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        if length > LONGEST_QUESTION:
            self.close_connection = True
            return self.answer(413, {"error": "the question is too long"})
        # Read also if it is refused: the next request on this connection begins after it.
        body = self.rfile.read(length)
        if not is_signed(self.headers, body, self.server.secrets):
            # No answer for the gateway: it refuses with `unavailable` and says so in its log.
            return self.answer(401, {"error": "no valid signature"})
        try:
            question = json.loads(body)
            allowed = is_allowed(self.server.members, question)
        except (ValueError, KeyError, TypeError) as error:
            return self.answer(400, {"error": f"not a question: {error!r}"})
        print(json.dumps({**question, "allowed": allowed}), flush=True)
        return self.answer(200, {"allowed": allowed, "ttlSeconds": self.server.ttl})

    def answer(self, status, content):
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Each question has a line of its own."""


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, default=8081)
    arguments.add_argument("--members", required=True, help="a JSON file with the clans")
    arguments.add_argument("--ttl", type=int, default=TTL_SECONDS, help="how long an answer holds, in seconds")
    chosen = arguments.parse_args()
    try:
        written = os.environ.get("GATEWAY_PERMISSIONS__SECRET", "").split(",")
        secrets = [base64.b64decode(secret.strip().removeprefix("whsec_"), validate=True) for secret in written]
    except binascii.Error:
        secrets = [b""]
    if any(len(secret) < 24 for secret in secrets):
        sys.exit("set GATEWAY_PERMISSIONS__SECRET to the permissions.secret of the gateway: whsec_ and base64")

    server = ThreadingHTTPServer(("127.0.0.1", chosen.port), Handler)
    server.daemon_threads = True
    server.secrets = secrets
    server.members = Members(chosen.members)
    server.ttl = chosen.ttl
    print(json.dumps({"listening": f"127.0.0.1:{server.server_port}"}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
