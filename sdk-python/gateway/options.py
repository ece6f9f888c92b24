"""The options of a client, and their checks: a wrong one is refused with a sentence about how to correct it."""

from __future__ import annotations

import logging
import math
import ssl as tls
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

from .errors import invalid
from .listeners import Frame
from .tokens import TokenProvider

SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


@dataclass(frozen=True, slots=True)
class Options:
    """The checked options of a client."""

    url: str
    provider: TokenProvider
    device_id: str | None
    timeout: float
    buffer: int
    reconnect: tuple[float, float]
    headers: dict[str, str]
    proxy: str | bool | None
    ssl: tls.SSLContext | None
    logger: logging.Logger | None
    tap: Callable[[Frame], object] | None


def check(url: object, token: object, options: dict[str, Any]) -> Options:
    """Returns the checked options. Raises InvalidError."""
    address = _url(url)
    proxy = options["proxy"]
    if proxy is not None and type(proxy) is not bool and type(proxy) is not str:
        raise invalid(f"proxy: expected the address of a proxy, True for the environment's or None, not {_kind(proxy)}")
    context = options["ssl"]
    if context is not None and not isinstance(context, tls.SSLContext):
        raise invalid(f"ssl: expected an ssl.SSLContext, not {_kind(context)}")
    if context is not None and address.startswith("ws:"):
        raise invalid(f"ssl: {url!r} uses no TLS: begin it with wss://")
    for name, expected in [("logger", logging.Logger), ("device_id", str)]:
        value = options[name]
        if value is not None and not isinstance(value, expected):
            raise invalid(f"{name}: expected {expected.__name__}, not {_kind(value)}")
    if options["tap"] is not None and not callable(options["tap"]):
        raise invalid(f"tap: expected a function, not {_kind(options['tap'])}")
    buffer = options["buffer"]
    if type(buffer) is not int or buffer < 1:
        raise invalid(f"buffer: expected a positive whole number, not {buffer!r}")
    return Options(
        url=address,
        provider=_provider(token),
        device_id=options["device_id"],
        timeout=seconds("timeout", options["timeout"]),
        buffer=buffer,
        reconnect=_reconnect(options["reconnect"]),
        headers=_headers(options["headers"]),
        proxy=None if proxy is False else proxy,
        ssl=context,
        logger=options["logger"],
        tap=options["tap"],
    )


def seconds(name: str, value: Any) -> float:
    """Returns a duration in seconds, which may be infinite."""
    if type(value) not in (int, float) or math.isnan(value) or value < 0:
        raise invalid(f"{name}: expected seconds, or math.inf to wait indefinitely, not {value!r}")
    return float(value)


def milliseconds(value: float) -> int | None:
    """Returns a duration for the core; None for an infinite one."""
    return None if value > 2**43 else int(value * 1_000)


def _url(url: object) -> str:
    if type(url) is not str:
        raise invalid(f"url: expected a str such as 'wss://gateway.example.com/ws', not {_kind(url)}")
    try:
        parts = urlsplit(url)
        host = parts.hostname
        # Reading the port checks it.
        _ = parts.port
    except ValueError as error:
        raise invalid(f"url: {url!r}: {error}") from None
    if parts.scheme not in SCHEMES:
        raise invalid(f"url: {url!r} has to begin with ws://, wss://, http:// or https://")
    if not host:
        raise invalid(f"url: {url!r} names no host")
    if parts.fragment or any(c.isspace() for c in url):
        raise invalid(f"url: {url!r} has a fragment or a space, which an address cannot have")
    return urlunsplit(parts._replace(scheme=SCHEMES[parts.scheme]))


def _provider(token: object) -> TokenProvider:
    if type(token) is str:
        fixed: str = token
        return lambda: fixed
    if callable(token):
        return cast(TokenProvider, token)
    raise invalid(f"token: expected a str, or a function that returns one, not {_kind(token)}")


def _reconnect(bounds: object) -> tuple[float, float]:
    pair = tuple(cast(Iterable[object], bounds)) if isinstance(bounds, tuple | list) else ()
    if len(pair) != 2:
        raise invalid(f"reconnect: expected the shortest and the longest wait in seconds, not {bounds!r}")
    shortest, longest = seconds("reconnect", pair[0]), seconds("reconnect", pair[1])
    if not shortest <= longest < math.inf:
        raise invalid(f"reconnect: the shortest wait has to be at most the longest one, not {bounds!r}")
    return shortest, longest


def _headers(headers: object) -> dict[str, str]:
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise invalid(f"headers: expected a mapping of names to values, not {_kind(headers)}")
    checked: dict[str, str] = {}
    for name, value in cast(Mapping[object, object], headers).items():
        if type(name) is not str or type(value) is not str or any(c in name + value for c in "\r\n\0"):
            raise invalid(f"headers: the header {name!r} has to be a str without line breaks, and so has its value")
        checked[name] = value
    return checked


def _kind(value: object) -> str:
    return type(value).__name__
