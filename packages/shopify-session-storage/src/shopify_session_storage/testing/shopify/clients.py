"""HTTP clients that reach every shop at one local server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

if TYPE_CHECKING:
    import httpx


def client_for(url: str) -> "httpx.AsyncClient":
    """Return an HTTP client whose requests, whatever their host, go to the server at *url*.

    For processes other than the one in which the :class:`FakeShopify` runs.
    """
    import httpx

    class Transport(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            request.url = _there(request.url, url)
            return await super().handle_async_request(request)

    # Nothing is encrypted here, and loading certificates takes long.
    return httpx.AsyncClient(transport=Transport(verify=False))


def sync_client_for(url: str) -> "httpx.Client":
    """Return a sync client as :func:`client_for` does."""
    import httpx

    class Transport(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            request.url = _there(request.url, url)
            return super().handle_request(request)

    return httpx.Client(transport=Transport(verify=False))


@contextmanager
def shops_at(url: str) -> Iterator[None]:
    """Send every request that httpx makes to a shop in this process to the server at *url*.

    For tests of a whole app, where Shopify's package makes the HTTP clients.
    """
    import httpx

    send, send_async = (
        httpx.HTTPTransport.handle_request,
        httpx.AsyncHTTPTransport.handle_async_request,
    )

    def sends(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        if request.url.host.endswith(".myshopify.com"):
            request.url = _there(request.url, url)
        return send(transport, request)

    async def sends_async(
        transport: httpx.AsyncHTTPTransport, request: httpx.Request
    ) -> httpx.Response:
        if request.url.host.endswith(".myshopify.com"):
            request.url = _there(request.url, url)
        return await send_async(transport, request)

    with (
        patch.object(httpx.HTTPTransport, "handle_request", sends),
        patch.object(httpx.AsyncHTTPTransport, "handle_async_request", sends_async),
    ):
        yield


def _there(asked: "httpx.URL", url: str) -> "httpx.URL":
    host, _, port = url.removeprefix("http://").partition(":")
    return asked.copy_with(scheme="http", host=host, port=int(port))
