"""Uses the models that datamodel-code-generator writes: every kind of message is a model of its own."""

from models import client, inbound, openapi, outbound, server
from pydantic import ValidationError

notification = inbound.NewNotification.model_validate({"title": "Quest", "message": "Done", "ttlSeconds": 60})
assert notification.title == "Quest" and notification.ttl_seconds == 60
assert inbound.Inbound.model_validate({"title": "Quest", "message": "Done"}).root.title == "Quest"

opened = outbound.SessionOpened.model_validate(
    {"id": "e1", "at": "2026-01-31T12:00:00.000Z", "nodeId": "n1", "sessionId": "s1"}
)
assert opened.node_id == "n1"

said = client.ClientMessage.model_validate({"type": "chat", "clanId": "clan", "content": "hello"})
assert isinstance(said.root, client.SendChat) and said.root.content == "hello"
pong = server.ServerMessage.model_validate({"type": "pong", "timestamp": "2026-01-31T12:00:00.000Z"})
assert isinstance(pong.root, server.Pong)

assert openapi.SendNotification(userId="alice", title="Quest", message="Done").user_id == "alice"
for incomplete in [{"title": "Quest"}, {"title": "", "message": "Done"}]:
    try:
        inbound.NewNotification.model_validate(incomplete)
        raise AssertionError(f"{incomplete} was accepted")
    except ValidationError:
        pass
