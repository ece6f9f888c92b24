"""Replays the transcripts of the core through the shared library: `transcripts.py LIBRARY FOLDER`."""

import ctypes
import json
import pathlib
import sys


class Text(ctypes.Structure):
    """A `gw_text`."""

    _fields_ = [("bytes", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Core:
    """The functions of the library, each with a status and a text as its result."""

    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        self.library.gw_deadline.restype = ctypes.c_int64
        self.library.gw_free.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

    def open(self, config):
        return self._returned(self.library.gw_open, *self._text(config))

    def handle(self, client, now, message):
        return self._returned(self.library.gw_handle, client, ctypes.c_uint64(now), *self._text(message))

    def take(self, client, stream):
        return self._returned(self.library.gw_take, client, ctypes.c_uint64(stream))

    def deadline(self, client):
        return self.library.gw_deadline(client)

    @staticmethod
    def _text(text):
        encoded = text.encode()
        return encoded, ctypes.c_size_t(len(encoded))

    def _returned(self, function, *arguments):
        out = Text()
        status = function(*arguments, ctypes.byref(out))
        text = ctypes.string_at(out.bytes, out.length).decode() if out.length else ""
        self.library.gw_free(out.bytes, out.length)
        return status, text


def replay(core, path):
    """Compares each output and deadline with the recorded one."""
    first, *lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    client, problem = core.open(json.dumps(first["open"]))
    assert client > 0, problem
    for number, line in enumerate(lines, 2):
        if "take" in line:
            result = core.take(client, line["take"])
        else:
            result = core.handle(client, line["now"], line["input"])
        assert result == (0, line["output"]), f"{path.name}:{number}: {result}"
        expected = -1 if line["deadline"] is None else line["deadline"]
        assert core.deadline(client) == expected, f"{path.name}:{number}"
    assert core.library.gw_close(client) == 0


core = Core(sys.argv[1])
assert core.library.gw_abi() == 1
paths = sorted(pathlib.Path(sys.argv[2]).glob("*.jsonl"))
for path in paths:
    replay(core, path)
print(len(paths), "transcripts")
