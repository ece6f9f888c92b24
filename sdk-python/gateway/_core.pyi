"""The core of the SDKs, from `sdk-python/src`."""

from typing import final

DIGEST: str
"""The digest of the core's sources."""

class InputError(Exception):
    """The configuration or the input is not a message of the core. The call had no effect."""

class TrapError(Exception):
    """The core panicked, and the client has ended."""

@final
class Core:
    """A client of the core. Only one thread may use it."""

    def __new__(cls, config: str) -> Core: ...
    def handle(self, now: int, input: str) -> str: ...
    def take(self, stream: int) -> str: ...
    def deadline(self) -> int | None: ...
