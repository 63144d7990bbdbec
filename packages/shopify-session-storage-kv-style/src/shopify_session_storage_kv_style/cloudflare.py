"""A namespace of Workers KV over Cloudflare's REST API, for programs outside of Workers."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote, urlencode, urlsplit

from shopify_session_storage import hides_arguments

from shopify_session_storage_kv_style.errors import CloudflareKVError, not_of_the_api, refusal
from shopify_session_storage_kv_style.namespace import each, parts, pauses

if TYPE_CHECKING:
    import httpx

API: Final = "https://api.cloudflare.com/client/v4"

# What one request may have, by the API's documentation.
_MOST_READ: Final = 100
_MOST_WRITTEN: Final = 10_000
_FEWEST_NAMED: Final = 10

# In seconds.
_TIMEOUT: Final = 10.0  # for an answer; open_url() sets that of the storage
_CONNECT_TIMEOUT: Final = 5.0
_LONGEST_PAUSE: Final = 10.0  # a caller would not wait any longer

_KEY_NOT_FOUND: Final = 10009


class CloudflareKVNamespace:
    """A namespace of Workers KV, by Cloudflare's REST API.

    One key takes one request. Many keys take one request for each 100 to read, and for each 10,000
    to write or delete (at most 100 MB a write). A request that Cloudflare refuses for now (429) or
    that fails there (5xx) is tried up to five times, within about six seconds or as ``Retry-After``
    says, unless that is longer than ten seconds. After a lost connection it is tried again once.

    It works on any event loop, but on one at a time. Two objects are equal if they name the same
    namespace.

    Args:
        account_id: Cloudflare's id of the account.
        namespace_id: Cloudflare's id of the namespace.
        api_token: A token with the permission "Workers KV Storage: Edit". It is shown nowhere.
        base_url: The address of the API.
        client: An httpx client to use, which is never closed; None for one of its own, which
            :meth:`aclose` closes.

    Raises:
        ImportError: If httpx is not installed.
        TypeError: If an argument is of another type.
        ValueError: If an argument is empty, the URL is not an HTTP URL, or *api_token* has a
            character that no token has.
    """

    @hides_arguments
    def __init__(
        self,
        account_id: str,
        namespace_id: str,
        api_token: str,
        *,
        base_url: str = API,
        client: "httpx.AsyncClient | None" = None,
    ) -> None:
        try:
            import httpx
        except ImportError:
            raise ImportError(
                "CloudflareKVNamespace needs httpx: "
                "pip install 'shopify-session-storage-kv-style[cloudflare]'"
            ) from None

        for name, value in (
            ("account_id", account_id),
            ("namespace_id", namespace_id),
            ("api_token", api_token),
            ("base_url", base_url),
        ):
            if not isinstance(value, str):
                raise TypeError(f"{name} must be a str, not {type(value).__name__}")
            if not value:
                raise ValueError(f"{name} must not be empty")
        if not (api_token.isascii() and api_token.isprintable() and " " not in api_token):
            raise ValueError("api_token has a character that no API token has")
        if not _is_base(base_url):
            raise ValueError("base_url must be an http or https URL of a host and a path alone")
        if client is not None and not isinstance(client, httpx.AsyncClient):
            raise TypeError(f"client must be an httpx.AsyncClient, not {type(client).__name__}")
        self._url = (
            f"{base_url.rstrip('/')}/accounts/{quote(account_id, safe='')}"
            f"/storage/kv/namespaces/{quote(namespace_id, safe='')}"
        )
        # This type of httpx does not show the token in its repr.
        self._headers = httpx.Headers({"Authorization": f"Bearer {api_token}"})
        self._injected = client
        # A client is for one event loop of one process.
        self._own: httpx.AsyncClient | None = None
        self._of: tuple[int, asyncio.AbstractEventLoop] | None = None
        self._inherited: list[httpx.AsyncClient] = []
        self._seconds = _TIMEOUT

    def __repr__(self) -> str:
        return f"<CloudflareKVNamespace {self._url}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CloudflareKVNamespace) and self._url == other._url

    def __hash__(self) -> int:
        return hash(self._url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close its own client. Further use makes a new one."""
        own, self._own = self._own, None
        if own is not None and self._of == _here():
            await own.aclose()

    async def get(self, key: str) -> str | None:
        """Return the text under *key*. One request."""
        answer = await self._send("GET", _value(key))
        # As a Worker decodes it, so that what is no text is the same to both.
        return None if answer is None else answer.decode(errors="replace")

    async def put(self, key: str, value: str) -> None:
        """Put a text under *key*. One request."""
        await self._send("PUT", _value(key), value.encode(), "application/octet-stream")

    async def delete(self, key: str) -> None:
        """Delete what is under *key*. One request."""
        await self._send("DELETE", _value(key))

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, str | None]:
        """Return the text under each key. One request for each 100."""

        async def get(some: tuple[str, ...]) -> dict[str, str | None]:
            result = await self._send_json("POST", "bulk/get", {"keys": some, "type": "text"})
            values = result.get("values")
            if not isinstance(values, dict):
                raise not_of_the_api()
            return {key: values.get(key) for key in some}

        found = await each(get, [tuple(some) for some in parts(keys, _MOST_READ)])
        return {key: value for values in found.values() for key, value in values.items()}

    async def list_keys(
        self, prefix: str, cursor: str | None, limit: int
    ) -> tuple[Sequence[str], str | None]:
        """Return some of the keys that begin with *prefix*, and where to go on. One request."""
        query = {"limit": str(max(limit, _FEWEST_NAMED)), "prefix": prefix, "cursor": cursor or ""}
        given = urlencode({name: value for name, value in query.items() if value})
        content = await self._send("GET", f"keys?{given}")
        try:
            answer = json.loads(content or b"")
            keys = ["".join(one["name"]) for one in answer["result"]]
            return keys, answer["result_info"].get("cursor") or None
        except (ValueError, LookupError, TypeError, AttributeError):
            pass
        raise not_of_the_api()

    async def put_many(self, pairs: Mapping[str, str]) -> None:
        """Put a text under each key. One request for each 10,000."""
        await self._write_many(
            "PUT", "bulk", [*pairs], lambda key: {"key": key, "value": pairs[key]}
        )

    async def put_expiring(self, pairs: Mapping[str, str], seconds: Mapping[str, int]) -> None:
        """Put a text under each key, some for so many seconds. One request for each 10,000."""

        def item(key: str) -> dict[str, object]:
            pair: dict[str, object] = {"key": key, "value": pairs[key]}
            return pair | {"expiration_ttl": seconds[key]} if key in seconds else pair

        await self._write_many("PUT", "bulk", [*pairs], item)

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Delete what is under each key. One request for each 10,000."""
        await self._write_many("POST", "bulk/delete", keys, lambda key: key)

    async def _write_many(
        self, method: str, path: str, keys: Sequence[str], item: Callable[[str], object]
    ) -> None:
        for some in parts(keys, _MOST_WRITTEN):
            left, waits = some, pauses()
            while left:
                result = await self._send_json(method, path, [item(key) for key in left])
                # "Name of the keys that failed to be fully updated. They should be retried."
                failed = set(result.get("unsuccessful_keys") or ())
                left = [key for key in left if key in failed]
                if left:
                    pause = next(waits, None)
                    if pause is None:
                        raise CloudflareKVError(f"{len(left)} of {len(keys)} keys failed", 200)
                    await asyncio.sleep(pause)

    async def _send_json(self, method: str, path: str, body: object) -> dict[str, Any]:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        content = await self._send(method, path, text.encode(), "application/json")
        try:
            result = json.loads(content or b"{}").get("result")
        except (ValueError, AttributeError):
            result = ""
        if not isinstance(result, dict | None):
            raise not_of_the_api()
        return result or {}

    async def _send(
        self, method: str, path: str, content: bytes | None = None, content_type: str | None = None
    ) -> bytes | None:
        """Send a request, repeat it if that may help, and return what comes; None for no key."""
        import httpx

        headers = self._headers.copy()
        if content_type is not None:
            headers["Content-Type"] = content_type
        waits = pauses()
        was_lost = False
        while True:
            pause: float | None
            try:
                response = await self._client().request(
                    method, f"{self._url}/{path}", content=content, headers=headers
                )
            except httpx.RequestError as error:
                # It holds the request, and so the API token and the session.
                text = str(error)
                failure = CloudflareKVError(f"{type(error).__name__}{text and ': '}{text}")
                # Nobody would wait that long once more.
                slow = isinstance(error, httpx.TimeoutException)
                pause = None if was_lost or slow else 0.0
                was_lost = True
            else:
                if response.is_success:
                    return response.content
                failure = refusal(response)
                if failure.code == _KEY_NOT_FOUND:
                    return None
                pause = _pause(response, waits)
            if pause is None:
                raise failure
            await asyncio.sleep(pause)

    def _client(self) -> "httpx.AsyncClient":
        import httpx

        if self._injected is not None:
            return self._injected
        here = _here()
        if self._own is None or self._of != here:
            if self._own is not None and self._of is not None and self._of[0] != here[0]:
                self._inherited.append(self._own)  # its connections are the parent process's
            self._of = here
            self._own = httpx.AsyncClient(
                timeout=httpx.Timeout(self._seconds, connect=min(_CONNECT_TIMEOUT, self._seconds)),
                limits=httpx.Limits(keepalive_expiry=60),  # 5 s would mean many TLS handshakes
            )
        return self._own


def _is_base(base_url: str) -> bool:
    try:
        url = urlsplit(base_url)
    except ValueError:  # whose message may show it
        return False
    has_more = "@" in url.netloc or url.query or url.fragment
    return url.scheme in ("http", "https") and bool(url.hostname) and not has_more


def _here() -> tuple[int, asyncio.AbstractEventLoop]:
    return os.getpid(), asyncio.get_running_loop()


def _value(key: str) -> str:
    return f"values/{quote(key, safe='')}"


def _pause(response: "httpx.Response", waits: Iterator[float]) -> float | None:
    """Tell how long to wait before the next try, in seconds; None if there is to be none."""
    if response.status_code != 429 and response.status_code < 500:
        return None
    pause = next(waits, None)
    if pause is None:
        return None
    asked = _retry_after(response.headers.get("Retry-After", ""))
    return max(pause, asked) if asked <= _LONGEST_PAUSE else None


def _retry_after(value: str) -> float:
    """Read a number of seconds or a date; 0 for neither."""
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return 0.0
    return (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
