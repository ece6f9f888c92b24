"""The programs of the README and the examples run as they are written, against the real gateway."""

from __future__ import annotations

import ast
import builtins
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from real_gateway import RealGateway
from test_publish import API_KEY, KEY, http
from test_publish_signature import secret_file
from test_services import SECRET

import gateway
from gateway import publish
from gateway.sync import Client as SyncClient

__all__ = ["secret_file"]

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
    assert len(PROGRAMS) == 4
    outputs = [program(real, "-W", "error", "-c", text) for text in PROGRAMS[:3]]
    assert "Chat(" in outputs[0] and "hello" in outputs[0]
    assert outputs[1:] == ["ada hello\n", "hello from a script\n"]


def test_the_quick_start_is_the_example(real: RealGateway) -> None:
    example = (SDK / "examples/quickstart.py").read_text()
    assert ast.dump(ast.parse(example.split('"""\n', 1)[1])) == ast.dump(ast.parse(PROGRAMS[0]))
    assert "hello" in program(real, SDK / "examples/quickstart.py")


def test_the_commands_of_the_quick_start(real: RealGateway) -> None:
    commands = next(block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "quickstart.py" in block)
    script = commands.replace("127.0.0.1:4000", real.address)
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": paths, "PYTHONPATH": str(SDK)}
    shell = ["bash", "-euo", "pipefail", "-c", script]
    ended = subprocess.run(shell, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=50, check=False)
    assert ended.returncode == 0 and "hello" in ended.stdout, ended.stderr


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


def test_the_program_for_backends(start_gateway: Callable[..., RealGateway]) -> None:
    real = start_gateway(API_KEY)
    environment = os.environ | {"GATEWAY_HTTP": http(real), "GATEWAY_API_KEY": KEY, "PYTHONPATH": str(SDK)}
    command = [sys.executable, "-W", "error", "-c", PROGRAMS[3]]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50, check=False)
    assert (ended.stdout, ended.returncode) == ("stored at offset 1\n", 0), ended.stderr


def test_the_backend_answers_webhooks(secret_file: Path, start_gateway: Callable[..., RealGateway], tmp_path: Path) -> None:
    environment = os.environ | {"GATEWAY_API_KEY": KEY, "WEBHOOK_SECRET": SECRET, "PYTHONPATH": str(SDK), "PORT": "0"}
    # The program and the gateway name each other's address: the gateway gets one that stays the same after a restart.
    real = start_gateway(API_KEY)
    command = [sys.executable, "-W", "error", str(SDK / "examples/backend.py")]
    environment["GATEWAY_HTTP"] = http(real)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as backend:
        assert backend.stdout is not None
        port = backend.stdout.readline().rsplit(" ", 1)[1].strip()
        real.kill()
        real.configure(
            API_KEY
            + f'webhooks.shop.url = "http://127.0.0.1:{port}"\nwebhooks.shop.secret_file = "{secret_file}"\n'
            + 'webhooks.shop.events = ["chat.message"]\n'
        )
        real.run()
        with SyncClient(real.url, token=real.token("ada")) as ada, ada.clan_chat("wolves").subscribe() as chat:
            ada.clan_chat("wolves").send("help!")
            while (message := chat.next().message) is not None:
                if isinstance(message, gateway.Chat) and message.content == "Help is on its way, ada.":
                    break
        backend.terminate()


@pytest.mark.parametrize("example", sorted((SDK / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples_compile(example: Path) -> None:
    compile(example.read_text(), str(example), "exec")


def test_the_errors_of_the_readme_exist() -> None:
    own = {name for name in re.findall(r"`(\w+Error)`", README) if not hasattr(builtins, name)}
    assert len(own) > 10
    for name in own - {"SignatureError"}:
        assert issubclass(getattr(gateway, name, None) or getattr(publish, name), gateway.GatewayError)
    assert issubclass(publish.SignatureError, ValueError)
