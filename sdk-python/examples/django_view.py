"""A view of Django, and a task of Celery: one client for each process, which is made at the first use.

A client must not be used before the process forks. This one is not: gunicorn and Celery fork before the first request or task.
"""

from __future__ import annotations

import functools
import os

from django.http import HttpRequest, JsonResponse

from gateway import GatewayError
from gateway.sync import Client


@functools.cache
def client() -> Client:
    """Returns the client of this process. Any thread may use it."""
    return Client(os.environ["GATEWAY_URL"], token=os.environ["GATEWAY_TOKEN"])


def send(request: HttpRequest, clan: str) -> JsonResponse:
    """Sends the posted text to a clan."""
    try:
        sent = client().clan_chat(clan).send(request.POST["content"])
    except GatewayError as error:
        return JsonResponse({"code": error.code, "message": error.message}, status=503 if error.retryable else 400)
    return JsonResponse({"messageId": sent.message_id})
