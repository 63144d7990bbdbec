"""Drives Shopify's official JavaScript adapters, which run in a Node process of their own."""

import asyncio
import json
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from servers.discovery import talking
from shopify_session_storage import Session

from interop.packages import HERE, installed_packages
from interop.prisma_cli import clients

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATES = ("expires", "refreshTokenExpires")


class PeerError(Exception):
    """What the JavaScript side threw."""


class Peer:
    """The Node process. Its calls may be awaited on any event loop, many at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._calls: dict[int, Future[Any]] = {}
        self._last = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    async def call(self, op: str, **arguments: Any) -> Any:
        """Have an operation of ``peer.cjs`` done, and return its result.

        Raises:
            PeerError: If it throws, or the process has ended.
        """
        self._last += 1
        future: Future[Any] = Future()
        self._calls[self._last] = future
        assert self._process.stdin is not None
        line = json.dumps({"call": self._last, "op": op, **arguments})
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return await asyncio.wrap_future(future)

    @asynccontextmanager
    async def open(
        self, backend: str, options: Mapping[str, Any]
    ) -> AsyncIterator["JavaScriptStorage"]:
        """Open the adapter of a backend, with the options that ``peer.cjs`` takes for it."""
        handle = await self.call("open", backend=backend, options=options)
        try:
            yield JavaScriptStorage(self, handle)
        finally:
            await self.call("close", handle=handle)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line)
            future = self._calls.pop(answer["call"])
            if "error" in answer:
                future.set_exception(PeerError(answer["error"]))
            else:
                future.set_result(answer["result"])
        for future in self._calls.values():
            future.set_exception(PeerError("the Node process has ended"))


class JavaScriptStorage:
    """An official adapter, with the methods of ours.

    Args:
        peer: The process.
        handle: What ``open`` gave.
    """

    def __init__(self, peer: Peer, handle: int) -> None:
        self._peer = peer
        self._handle = handle

    async def store_session(self, session: Session) -> bool:
        """Call ``storeSession``."""
        return bool(await self._call("store", session=to_plain(session)))

    async def load_session(self, id: str) -> Session | None:
        """Call ``loadSession``."""
        data = await self._call("load", id=id)
        return None if data is None else from_plain(data)

    async def find_sessions_by_shop(self, shop: str) -> list[Session | None]:
        """Call ``findSessionsByShop``."""
        found = await self._call("find", shop=shop)
        return [None if data is None else from_plain(data) for data in found]

    async def delete_session(self, id: str) -> bool:
        """Call ``deleteSession``."""
        return bool(await self._call("delete", id=id))

    async def delete_sessions(self, ids: list[str]) -> bool:
        """Call ``deleteSessions``."""
        return bool(await self._call("deleteMany", ids=ids))

    async def _call(self, op: str, **arguments: Any) -> Any:
        return await self._peer.call(op, handle=self._handle, **arguments)


@contextmanager
def running_peer() -> Iterator[Peer]:
    """Run the Node process, with the packages of ``package.json`` installed.

    Raises:
        NoServerError: If Node is missing, or npm or Prisma fails.
    """
    environment = {"NODE_PATH": str(installed_packages()), "PRISMA_CLIENTS": str(clients())}
    with (
        tempfile.TemporaryFile("w+") as log,
        talking(["node", str(HERE / "peer.cjs")], environment=environment, errors=log) as process,
    ):
        yield Peer(process)


def to_plain(session: Session) -> dict[str, Any]:
    """Return the arguments of JavaScript's ``new Session``; nothing is left out for being empty."""
    data: dict[str, Any] = {
        "id": session.id,
        "shop": session.shop,
        "state": session.state,
        "isOnline": session.is_online,
        "scope": session.scope,
        "expires": _date(session.expires),
        "accessToken": session.access_token,
        "refreshToken": session.refresh_token,
        "refreshTokenExpires": _date(session.refresh_token_expires),
    }
    info = session.online_access_info
    if info is not None:
        data["onlineAccessInfo"] = _present(
            {
                "expires_in": info.expires_in,
                "associated_user_scope": info.associated_user_scope,
                "associated_user": _present(vars(info.associated_user)),
            }
        )
    return _present(data)


def from_plain(data: dict[str, Any]) -> Session:
    """Return the session that JavaScript gave."""
    dates = {
        key: _EPOCH + timedelta(milliseconds=data[key]["$date"]) for key in _DATES if key in data
    }
    return Session.from_dict({**data, **dates})


def _present(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None}


def _date(date: datetime | None) -> dict[str, int] | None:
    return None if date is None else {"$date": (date - _EPOCH) // timedelta(milliseconds=1)}
