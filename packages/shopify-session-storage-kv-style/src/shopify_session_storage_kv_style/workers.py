"""A namespace of Workers KV through its binding, in a Python Worker."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from shopify_session_storage_kv_style.errors import KVNamespaceError
from shopify_session_storage_kv_style.namespace import each, parts, pauses

_MOST_READ: Final = 100  # keys in one call, by the documentation of Workers KV


class WorkersKVNamespace:
    """A namespace of Workers KV, through the binding that a Python Worker gets: ``env.MY_KV``.

    Keys are read up to 100 in one call, and written and deleted one by one. A call that is refused
    for now (429), such as a second write to a key within a second, is tried up to five times,
    within about six seconds.

    Args:
        binding: ``env.MY_KV``.

    Raises:
        TypeError: If *binding* is not the binding of a namespace.
    """

    def __init__(self, binding: Any) -> None:
        if not all(callable(getattr(binding, name, None)) for name in ("get", "put", "delete")):
            raise TypeError("binding must be that of a KV namespace, such as env.MY_KV")
        self._binding = binding

    def __repr__(self) -> str:
        return "<WorkersKVNamespace>"

    async def get(self, key: str) -> str | None:
        """Return the text under *key*."""
        return _text(await _repeated(lambda: self._binding.get(key)))

    async def put(self, key: str, value: str) -> None:
        """Put a text under *key*."""
        await _repeated(lambda: self._binding.put(key, value))

    async def delete(self, key: str) -> None:
        """Delete what is under *key*."""
        await _repeated(lambda: self._binding.delete(key))

    async def get_many(self, keys: Sequence[str]) -> Mapping[str, str | None]:
        """Return the text under each key. One call for each 100."""
        from pyodide.ffi import to_js  # type: ignore[import-not-found]  # in a Worker alone

        async def get(some: tuple[str, ...]) -> dict[str, str | None]:
            found = await _repeated(lambda: self._binding.get(to_js(some)))
            return {key: _text(found.get(key)) for key in some}

        values = await each(get, [tuple(some) for some in parts(keys, _MOST_READ)])
        return {key: value for some in values.values() for key, value in some.items()}

    async def list_keys(
        self, prefix: str, cursor: str | None, limit: int
    ) -> tuple[Sequence[str], str | None]:
        """Return some of the keys that begin with *prefix*, and where to go on. One call."""
        from js import Object  # type: ignore[import-not-found]  # in a Worker alone
        from pyodide.ffi import to_js

        options = {"limit": limit, "prefix": prefix, "cursor": cursor}
        given = {name: value for name, value in options.items() if value}
        asked = to_js(given, dict_converter=Object.fromEntries)
        found = await _repeated(lambda: self._binding.list(asked))
        keys = [str(key.name) for key in found.keys]
        return keys, None if found.list_complete else str(found.cursor)

    async def put_many(self, pairs: Mapping[str, str]) -> None:
        """Put a text under each key."""
        await each(lambda key: self.put(key, pairs[key]), [*pairs])

    async def put_expiring(self, pairs: Mapping[str, str], seconds: Mapping[str, int]) -> None:
        """Put a text under each key, some for so many seconds."""
        from js import Object
        from pyodide.ffi import to_js

        async def put(key: str) -> None:
            given = {"expirationTtl": seconds[key]} if key in seconds else {}
            options = to_js(given, dict_converter=Object.fromEntries)
            await _repeated(lambda: self._binding.put(key, pairs[key], options))

        await each(put, [*pairs])

    async def delete_many(self, keys: Sequence[str]) -> None:
        """Delete what is under each key."""
        await each(self.delete, keys)


async def _repeated(call: Callable[[], Any]) -> Any:
    """Call the binding, again after a pause while there is too much for it."""
    waits = pauses()
    while True:
        try:
            return await call()
        except Exception as error:  # a JsException, known in Pyodide alone
            problem = str(error)
        # "KV PUT failed: 429 Too Many Requests"
        pause = next(waits, None) if "429" in problem else None
        if pause is None:
            raise KVNamespaceError(problem)
        await asyncio.sleep(pause)


def _text(value: object) -> str | None:
    # JavaScript's null is None, or of a type of its own, as the version of Pyodide has it.
    return value if isinstance(value, str) else None
