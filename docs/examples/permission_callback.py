#!/usr/bin/env python3
"""A backend service that decides what a user may do: the gateway asks it for each topic (permissions.url).

    PERMISSIONS_PASSWORD=a-long-secret python3 permission_callback.py --port 8081 --members members.json

    GATEWAY_PERMISSIONS__SOURCE=http \\
    GATEWAY_PERMISSIONS__URL=http://gateway:a-long-secret@127.0.0.1:8081/permissions gateway serve

members.json says who is in which clan, such as {"clan123": {"alice": "member", "bob": "guest"}}: a guest reads, a member
writes too. It is read again when it changes, and the gateway withdraws what a user lost when the last answer has expired.

The gateway signs nothing. It sends the user and password of permissions.url as Basic credentials (RFC 7617), and this
service checks them. Where the network between the two is not yours alone, use https:// to keep them secret.

Prints one JSON line when it listens, and one for each question. It uses nothing but Python's standard library.
"""

import argparse
import base64
import hmac
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# How long the gateway may use an answer, in seconds. Long answers save requests, short ones withdraw sooner.
TTL_SECONDS = 30
# In bytes. A question has two identifiers and two words.
LONGEST_QUESTION = 16 * 1024


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
        given = self.headers.get("Authorization", "").encode("latin-1", "replace")
        if not hmac.compare_digest(given, self.server.credentials):
            # No answer for the gateway: it refuses with `unavailable` and says so in its log.
            return self.answer(401, {"error": "wrong credentials"})
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
    password = os.environ.get("PERMISSIONS_PASSWORD", "")
    if len(password) < 12:
        sys.exit("set PERMISSIONS_PASSWORD to the password of permissions.url, 12 characters or more")

    server = ThreadingHTTPServer(("127.0.0.1", chosen.port), Handler)
    server.daemon_threads = True
    server.credentials = b"Basic " + base64.b64encode(f"gateway:{password}".encode())
    server.members = Members(chosen.members)
    server.ttl = chosen.ttl
    print(json.dumps({"listening": f"127.0.0.1:{server.server_port}"}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
