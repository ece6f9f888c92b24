"""An app with FastAPI: one client for the process, made when it starts and closed when it ends.

pip install fastapi uvicorn; GATEWAY_URL=… GATEWAY_TOKEN=… uvicorn fastapi_app:app
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request

from gateway import Client, GatewayError


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Makes the client on the loop of the app, in each worker."""
    async with Client(os.environ["GATEWAY_URL"], token=os.environ["GATEWAY_TOKEN"]) as client:
        app.state.gateway = client
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/clans/{clan}/messages")
async def send(clan: str, content: str, request: Request) -> dict[str, str]:
    """Sends a message to a clan."""
    client: Client = request.app.state.gateway
    try:
        sent = await client.clan_chat(clan).send(content)
    except GatewayError as error:
        status = 503 if error.retryable else 400
        raise HTTPException(status, detail={"code": error.code, "message": error.message}) from error
    return {"messageId": sent.message_id}
