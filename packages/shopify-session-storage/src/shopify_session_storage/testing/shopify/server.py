"""The HTTP around the rules: one server for all shops, and what goes wrong there as told."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from shopify_session_storage.testing.shopify.fake import FakeShopify

_PATH: Final = "/admin/oauth/access_token"
_GRAPHQL: Final = re.compile("/admin/api/[^/]+/graphql.json")


@dataclass
class Fault:
    """What goes wrong with one request.

    Attributes:
        granted: Whether the endpoint issues new tokens before it fails, so that nobody gets them.
        status: The HTTP status of the answer, in place of the right one.
        headers: Headers of the answer, such as ``Retry-After``.
        body: The body of the answer, in place of the right one; a dict is sent as JSON.
        change: Fields to replace in the right answer; one that becomes None is left out. Used only
            if there is no *body*.
        dropped: Whether the connection is closed without an answer.
        stalled: Whether the answer waits until :meth:`FakeShopify.release` is called.
    """

    granted: bool = False
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    change: Mapping[str, Any] = field(default_factory=dict)
    dropped: bool = False
    stalled: bool = False


class Server(ThreadingHTTPServer):
    """A server that ends quickly and silently."""

    daemon_threads = True
    block_on_close = False  # a stalled answer must not hold up the end of a test
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are part of the tests."""


def handler(fake: "FakeShopify") -> type[BaseHTTPRequestHandler]:
    """Return what answers the requests to *fake*."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that http.server looks for
            shop = self.headers.get("Host", "")
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            if _GRAPHQL.fullmatch(self.path):
                self._answer_graphql(shop)
                return
            fault = fake._next_fault(shop)
            if self.path != _PATH:
                self._send(404, "", {})
                return
            if fault is None:
                answer = fake.answer(shop, body)
                self._send(answer["status"], answer["json"], {})
                return
            changed = any((fault.status, fault.body is not None, fault.dropped))
            answer = {"status": 200, "json": ""}
            if fault.granted or not changed:
                answer = fake.answer(shop, body)
                if fault.change and isinstance(answer["json"], dict):
                    merged = {**answer["json"], **fault.change}
                    answer["json"] = {k: v for k, v in merged.items() if v is not None}
            if fault.stalled:
                fake._stalled[shop].wait()
            if not fault.dropped:
                if changed:
                    sent = "" if fault.body is None else fault.body  # {} is one, too
                    answer = {"status": fault.status or 200, "json": sent}
                self._send(answer["status"], answer["json"], fault.headers)

        def _answer_graphql(self, shop: str) -> None:
            if fake.takes_access_token(shop, self.headers.get("X-Shopify-Access-Token")):
                self._send(200, {"data": {"shop": {"name": shop.partition(".")[0]}}}, {})
            else:
                self._send(401, {"errors": "[API] Invalid API key or access token"}, {})

        def _send(self, status: int, answer: Any, headers: Mapping[str, str]) -> None:
            data = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status, "")
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def date_time_string(self, timestamp: float | None = None) -> str:
            moment = fake.now().timestamp() if timestamp is None else timestamp
            return super().date_time_string(int(moment))

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
