"""The client for threads, with the real gateway."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from queue import Queue

import pytest
from real_gateway import RealGateway
from scripted import Scripted

import gateway
from gateway import Chat, Notification
from gateway.sync import Client


def test_members_of_a_clan_chat(real: RealGateway) -> None:
    with Client(real.url, token=real.token("ada")) as ada, Client(real.url, token=lambda: real.token("bob")) as bob:
        assert {ada.state.status, bob.state.status} == {"idle"}
        ada.connect()
        chat = bob.clan_chat("wolves")
        assert chat.clan_id == "wolves"
        with ada.clan_chat("wolves").subscribe() as events:
            sent = chat.send("hello")
            chat.set_typing(True)
            for event in events:
                if isinstance(event.message, Chat):
                    assert event.message.message_id == sent.message_id
                    assert events.position == event.position
                    break
            with pytest.raises(gateway.TimedOutError, match=r"no event in 0\.05 s"):
                while True:
                    events.next(timeout=0.05)
            position = events.position
            chat.send("again")
        with ada.clan_chat("wolves").subscribe(position=position) as events:
            message = events.next(timeout=20).message
            assert isinstance(message, Chat) and message.content == "again"
            assert len(chat.history(limit=10).messages) == 2 and chat.presence().count > 0
            assert bob.request("ping")["type"] == "pong"
            bob.wake()
            assert bob.run(bob.asynchronous.clan_chat("wolves").presence()).count > 0
            # Closing from another thread ends the loop.
            closer = threading.Thread(target=ada.close)
            closer.start()
            assert [event for event in events if isinstance(event.message, Chat)] == []
            closer.join()
    assert ada.state.status == "closed"
    for call in [lambda: ada.request("ping"), ada.connect, ada.wake]:
        with pytest.raises(gateway.ClosedError):
            call()
    events.close()


def test_notifications_and_states(real: RealGateway) -> None:
    with Client(real.url, token=real.token("ada")) as ada:
        states: Queue[str] = Queue()

        def watch() -> None:
            for state in ada.states():
                states.put(state.status)

        watcher = threading.Thread(target=watch)
        watcher.start()
        assert states.get(timeout=20) == "idle"
        with ada.notifications.subscribe() as events:
            real.notify("ada", "first")
            message = events.next(timeout=20).message
            assert isinstance(message, Notification)
            ada.notifications.ack(message.id)
            for count in ada.notifications.pending_counts():
                if count == 0:
                    break
            assert ada.notifications.pending == 0
        ada.close()
        watcher.join(20)
        assert not watcher.is_alive()
    seen = []
    while not states.empty():
        seen.append(states.get())
    assert seen[-2:] == ["online", "closed"]


def test_many_threads_share_a_client(real: RealGateway) -> None:
    with Client(real.url, token=real.token("ada")) as ada, ThreadPoolExecutor(8) as threads:
        sent = list(threads.map(lambda n: ada.clan_chat("wolves").send(f"message {n}").offset, range(40)))
        assert len(set(sent)) == 40


def test_use_in_its_own_loop_is_refused(scripted: Scripted) -> None:
    errors: Queue[Exception] = Queue()

    async def provide() -> str:
        try:
            client.request("ping")
        except gateway.UsageError as error:
            errors.put(error)
        return "token"

    client = Client(scripted.url, token=provide)
    thread = threading.Thread(target=lambda: client.connect(timeout=30))
    thread.start()
    scripted.accepted()
    thread.join()
    assert "in its own event loop" in str(errors.get(timeout=20))
    client.close()


def test_a_provider_and_a_tap_may_use_the_client(scripted: Scripted) -> None:
    answers: Queue[object] = Queue()

    def tap(frame: gateway.Frame) -> None:
        if not frame.sent and '"connected"' in frame.text:
            answers.put(client.clan_chat("c").presence())

    client = Client(scripted.url, token=lambda: f"token {client.state.status}", tap=tap)
    thread = threading.Thread(target=lambda: client.connect(timeout=30))
    thread.start()
    peer = scripted.accepted()
    peer.reply(peer.command("presence"), "presence", clanId="c", users=[], count=0)
    assert isinstance(answers.get(timeout=20), gateway.Presence)
    thread.join()
    client.close()


def test_works_within_a_running_loop(real: RealGateway) -> None:
    async def view() -> str:
        with Client(real.url, token=real.token("ada")) as ada:
            return ada.clan_chat("wolves").send("from a coroutine").message_id

    assert asyncio.run(view())


UNCLOSED = """
import sys
from gateway.sync import Client
client = Client(sys.argv[1], token=sys.argv[2])
client.clan_chat("wolves").send("hello")
events = client.clan_chat("wolves").subscribe(history=1).__enter__()
print(next(events).message.content)
"""


def test_a_script_that_does_not_close_its_client_ends(real: RealGateway) -> None:
    command = [sys.executable, "-c", UNCLOSED, real.url, real.token("ada")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout) == (0, "hello\n"), ended.stderr
    assert "Traceback" not in ended.stderr
