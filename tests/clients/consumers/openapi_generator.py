"""Sends a notification with the client that openapi-generator writes. Arguments: the gateway's URL and an API key."""

import json
import sys

import gateway_api
from gateway_api.exceptions import BadRequestException

url, key = sys.argv[1:]
configuration = gateway_api.Configuration(host=url, access_token=key)

with gateway_api.ApiClient(configuration) as client:
    notifications = gateway_api.NotificationsApi(client)
    one = gateway_api.SendNotification(user_id="alice", title="Quest", message="Done", data={"quest": 7})
    several = gateway_api.SendNotification(user_ids=["bob", "carol"], title="Quest", message="Done", ttl_seconds=60)
    ids = notifications.send_notification(one).ids + notifications.send_notification(several).ids
    try:
        notifications.send_notification(gateway_api.SendNotification(title="Quest", message="Done"))
        raise AssertionError("a notification for no user was accepted")
    except BadRequestException:
        pass
print(json.dumps(ids))
