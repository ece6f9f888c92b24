"""Sends a notification with the client that openapi-python-client writes. Arguments: the gateway's URL and an API key."""

import json
import sys

from gateway_client import AuthenticatedClient
from gateway_client.api.notifications import send_notification
from gateway_client.models import NotificationsAccepted, Problem, SendNotification

url, key = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=key)

accepted = send_notification.sync(client=client, body=SendNotification(user_id="alice", title="Quest", message="Done"))
assert isinstance(accepted, NotificationsAccepted), accepted
several = SendNotification(user_ids=["bob", "carol"], title="Quest", message="Done", ttl_seconds=60)
more = send_notification.sync(client=client, body=several)
assert isinstance(more, NotificationsAccepted) and len(more.ids) == 2, more

refused = send_notification.sync(client=client, body=SendNotification(title="Quest", message="Done"))
assert isinstance(refused, Problem) and refused.status == 400, refused
print(json.dumps(accepted.ids + more.ids))
