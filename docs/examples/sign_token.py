#!/usr/bin/env python3
"""Signs a token for a user with the secret that it shares with the gateway (HS256).

    export GATEWAY_AUTH__JWT_SECRET="$(openssl rand -base64 48)"      # the same for the gateway
    python3 sign_token.py --user alice --clans clan123 --topics orders:order-42

Prints one JSON line with the token. It uses nothing but Python's standard library. In a service of yours: sign after the
user has signed in, give the token to the app over HTTPS, and keep it short-lived. The app asks for another one in time.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import sys
import time
import uuid

# How long a token lasts, in seconds.
LIFETIME = 600


def encode(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def sign_token(claims, secret):
    """A JSON Web Token (RFC 7519) with these claims."""
    header = encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    signed = f"{header}.{encode(json.dumps(claims).encode())}"
    return f"{signed}.{encode(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"


def by_service(text):
    """`orders:order-42,orders:eu-*` becomes `{"orders": ["order-42", "eu-*"]}`."""
    grants = {}
    for grant in filter(None, text.split(",")):
        service, _, topic = grant.partition(":")
        grants.setdefault(service, []).append(topic)
    return grants


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--user", required=True)
    arguments.add_argument("--clans", default="", help="clan ids, with commas between them")
    arguments.add_argument("--topics", default="", help="SERVICE:TOPIC, with commas between them")
    chosen = arguments.parse_args()
    secret = os.environ.get("GATEWAY_AUTH__JWT_SECRET", "")
    if len(secret) < 32:
        sys.exit("set GATEWAY_AUTH__JWT_SECRET to the secret of the gateway, 32 bytes or more")
    now = int(time.time())
    claims = {
        "sub": chosen.user,
        "iat": now,
        "exp": now + LIFETIME,
        "jti": str(uuid.uuid4()),
        "clans": list(filter(None, chosen.clans.split(","))),
        "topics": by_service(chosen.topics),
    }
    # Needed if the gateway has auth.issuer and auth.audience.
    for claim, variable in (("iss", "GATEWAY_AUTH__ISSUER"), ("aud", "GATEWAY_AUTH__AUDIENCE")):
        if variable in os.environ:
            claims[claim] = os.environ[variable]
    print(json.dumps({"token": sign_token(claims, secret), "expiresAt": claims["exp"]}))


if __name__ == "__main__":
    main()
