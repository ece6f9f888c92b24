"""The programs of the README and the examples run as they are written, against the real gateway."""

from __future__ import annotations

import ast
import builtins
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from real_gateway import RealGateway

import gateway

SDK = ROOT / "sdk-python"
README = (SDK / "README.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def program(real: RealGateway, *command: str | Path) -> str:
    """Runs a program, and returns its output."""
    environment = os.environ | {"GATEWAY_URL": real.url, "GATEWAY_TOKEN": real.token("ada"), "PYTHONPATH": str(SDK)}
    options = {"capture_output": True, "text": True, "timeout": 50, "env": environment}
    ended = subprocess.run([sys.executable, *command], check=False, **options)  # type: ignore[call-overload]
    assert ended.returncode == 0, ended.stderr
    output: str = ended.stdout
    return output


def test_the_programs_of_the_readme(real: RealGateway) -> None:
    assert len(PROGRAMS) == 3
    outputs = [program(real, "-W", "error", "-c", text) for text in PROGRAMS]
    assert "Chat(" in outputs[0] and "hello" in outputs[0]
    assert outputs[1:] == ["ada hello\n", "hello from a script\n"]


def test_the_quick_start_is_the_example(real: RealGateway) -> None:
    example = (SDK / "examples/quickstart.py").read_text()
    assert ast.dump(ast.parse(example.split('"""\n', 1)[1])) == ast.dump(ast.parse(PROGRAMS[0]))
    assert "hello" in program(real, SDK / "examples/quickstart.py")


def test_the_chat(real: RealGateway) -> None:
    environment = os.environ | {"GATEWAY_URL": real.url, "GATEWAY_TOKEN": real.token("ada"), "PYTHONPATH": str(SDK)}
    command = [sys.executable, "-W", "error", str(SDK / "examples/chat.py"), "wolves"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as chat:
        assert chat.stdin is not None and chat.stdout is not None
        for line in ["hello", "and again 🐺"]:
            chat.stdin.write(line + "\n")
            chat.stdin.flush()
            while (shown := chat.stdout.readline()) != f"ada: {line}\n":
                assert shown.startswith("* ada is"), shown
        chat.stdin.close()
        assert chat.wait(20) == 0


def test_the_worker_for_notifications(real: RealGateway) -> None:
    environment = os.environ | {"GATEWAY_URL": real.url, "GATEWAY_TOKEN": real.token("ada"), "PYTHONPATH": str(SDK)}
    command = [sys.executable, "-W", "error", str(SDK / "examples/notifications.py")]
    real.notify("ada", "first")
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert "first: m" in worker.stdout.readline()
        real.notify("ada", "second")
        assert "second: m" in worker.stdout.readline()
        worker.terminate()
        assert worker.wait(20) == 0


@pytest.mark.parametrize("example", sorted((SDK / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples_compile(example: Path) -> None:
    compile(example.read_text(), str(example), "exec")


def test_the_errors_of_the_readme_exist() -> None:
    own = [name for name in re.findall(r"`(\w+Error)`", README) if not hasattr(builtins, name)]
    assert len(own) > 10
    for name in own:
        assert issubclass(getattr(gateway, name), gateway.GatewayError)
