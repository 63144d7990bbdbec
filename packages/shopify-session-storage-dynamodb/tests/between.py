"""What stands between a client and the real server: counts operations, and spoils some."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Self

from aiohttp import ClientSession, web

Answer = tuple[int, dict[str, Any]]
Forward = Callable[[dict[str, Any]], Awaitable[Answer]]


class Between:
    """Passes the requests of clients on to the server at *url*.

    Attributes:
        url: Where it listens.
        operations: The operations that clients have asked for, by name.
        spoil: Answers in place of the server: takes the operation, its parameters, and what asks
            the server. None breaks the connection.
    """

    def __init__(self, url: str) -> None:
        self._server_url = url
        self.url = ""
        self.operations: list[str] = []
        self.spoil: Callable[[str, dict[str, Any], Forward], Awaitable[Answer | None]] | None = None

    async def __aenter__(self) -> Self:
        self._client = ClientSession()
        app = web.Application(client_max_size=2**25)
        app.router.add_post("/", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._runner.cleanup()
        await self._client.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        operation = request.headers["X-Amz-Target"].partition(".")[2]
        self.operations.append(operation)
        names = ("X-Amz-Target", "Content-Type", "Authorization", "X-Amz-Date")
        headers = {name: request.headers[name] for name in names}

        async def forward(parameters: dict[str, Any]) -> Answer:
            async with self._client.post(
                self._server_url, data=json.dumps(parameters), headers=headers
            ) as response:
                return response.status, json.loads(await response.text())

        parameters = json.loads(await request.text())
        if self.spoil is None:
            answer = await forward(parameters)
        else:
            answer = await self.spoil(operation, parameters, forward)
        if answer is None:
            request.transport.abort()
            return web.Response()
        return web.Response(
            status=answer[0],
            text=json.dumps(answer[1]),
            content_type="application/x-amz-json-1.0",
        )


def failure(code: str, message: str = "", status: int = 400) -> Answer:
    """Return the answer with which DynamoDB tells a failure."""
    return status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}


def times(count: int, answer, operations=None):
    """Spoil the first requests, of a kind."""
    left = [count]

    async def spoil(operation, parameters, forward):
        if left[0] > 0 and (operations is None or operation in operations):
            left[0] -= 1
            return answer
        return await forward(parameters)

    return spoil
