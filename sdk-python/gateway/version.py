"""The version of the SDK, and the digest of its core."""

from __future__ import annotations

VERSION = "0.1.0"


def core_digest() -> str:
    """Returns the digest of the sources of the SDK's core. SDKs with the same digest make the same decisions."""
    from . import _core

    return _core.DIGEST
