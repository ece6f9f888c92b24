"""The options of the clients for backends, and their checks: a wrong one is refused with a sentence about how to correct it."""

from __future__ import annotations

import math
import re
import ssl as tls
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast
from urllib.parse import SplitResult, urlsplit

from ..errors import invalid
from .exchange import Transport


@dataclass(frozen=True, slots=True)
class Options:
    """The checked options of a client."""

    address: SplitResult
    """The address of the gateway, without a slash at its end."""
    api_key: str
    attempts: int
    timeout: float
    backoff: tuple[float, float]
    ssl: tls.SSLContext | None
    transport: Transport | None


def check(
    url: object,
    api_key: object,
    attempts: object,
    timeout: object,
    backoff: object,
    ssl: object,
    transport: Transport | None,
) -> Options:
    """Returns the checked options. Raises InvalidError."""
    # The error must not show the key.
    if type(api_key) is not str or not re.fullmatch("[ -~]+", api_key):
        raise invalid("api_key: it is empty or has characters that no key has")
    if type(attempts) is not int or attempts < 1:
        raise invalid(f"attempts: expected a positive whole number, not {attempts!r}")
    pair = tuple(cast(Iterable[object], backoff)) if isinstance(backoff, tuple | list) else ()
    if len(pair) != 2:
        raise invalid(f"backoff: expected the shortest and the longest wait in seconds, not {backoff!r}")
    shortest, longest = _seconds("backoff", pair[0]), _seconds("backoff", pair[1])
    if shortest > longest:
        raise invalid(f"backoff: the shortest wait has to be at most the longest one, not {backoff!r}")
    if ssl is not None and not isinstance(ssl, tls.SSLContext):
        raise invalid(f"ssl: expected an ssl.SSLContext, not {type(ssl).__name__}")
    if transport is not None and not callable(transport):
        raise invalid(f"transport: expected a function, not {type(transport).__name__}")
    address = _address(url)
    if ssl is not None and address.scheme == "http":
        raise invalid("ssl: the address uses no TLS: begin it with https://")
    return Options(address, api_key, attempts, _seconds("timeout", timeout), (shortest, longest), ssl, transport)


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise invalid(f"{name}: expected a positive number of seconds, not {value!r}")
    return float(value)


def _address(url: object) -> SplitResult:
    wrong = "url: expected an address such as https://gateway.example.com"
    if type(url) is not str:
        raise invalid(f"{wrong}, not {type(url).__name__}")
    try:
        parts = urlsplit(url)
        # Reading the port checks it.
        _ = parts.port
    except ValueError as error:
        raise invalid(f"{wrong}: {error}") from None
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        # It may have a password, which the error must not show.
        raise invalid("url: it has a user, a query or a fragment: leave them out")
    if parts.scheme not in ("http", "https") or not parts.hostname or not re.fullmatch("[!-~]+", url):
        raise invalid(f"{wrong}, not {url!r}")
    return parts._replace(path=parts.path.rstrip("/"))
