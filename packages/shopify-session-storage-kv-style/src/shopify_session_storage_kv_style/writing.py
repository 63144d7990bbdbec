"""Sessions and the lists that name them, written so that a listed id has its session."""

import math
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from shopify_session_storage import (
    CorruptSessionError,
    Session,
    dump_session_json,
    expiry_of,
    is_session_id,
    read_session_json,
)

from shopify_session_storage_kv_style.errors import KVNamespaceError
from shopify_session_storage_kv_style.lists import Lists, list_key, list_of, names_in, writable
from shopify_session_storage_kv_style.namespace import Keys

_SHORTEST_LIFE: Final = 60  # seconds, by the documentation of Workers KV


class Writing:
    """One write of sessions.

    Args:
        keys: The namespace.
        lists: What the process knows of its lists.
        expire_dead: How long after its end a session is to be deleted by the namespace.
    """

    def __init__(self, keys: Keys, lists: Lists, expire_dead: timedelta | None) -> None:
        self._expire_dead = expire_dead
        self._keys = keys
        self._lists = lists

    @asynccontextmanager
    async def holding(
        self, ids: Sequence[str], shops: Collection[str] = ()
    ) -> AsyncIterator[Mapping[str, str]]:
        """Hold sessions and lists against all other writes of this process, and read them.

        Args:
            ids: The sessions; the lists of the shops where they are now are held, too.
            shops: Whose lists are needed besides.
        """
        held = {*ids, *map(list_key, shops)}
        while True:
            async with self._lists.holding.of(held):
                texts = await self._keys.get(sorted(held))
                further = {
                    list_key(shop) for id in ids if (shop := _shop_of(texts, id)) is not None
                } - held
                if not further:
                    yield texts
                    return
                if not shops:
                    # Who holds a list waits for nothing more, so that nobody waits for each other.
                    async with self._lists.holding.of(further):
                        yield texts | await self._keys.get(sorted(further))
                        return
            held |= further  # a session moves between shops

    async def store(self, sessions: Sequence[Session], texts: Mapping[str, str]) -> None:
        """Store sessions that are held, with what has been read.

        Raises:
            CorruptSessionError: If a list to add to cannot be read; nothing is written then.
        """
        added: dict[str, list[str]] = {}
        left: dict[str, list[str]] = {}
        for session in sessions:
            added.setdefault(session.shop, []).append(session.id)
            shop = _shop_of(texts, session.id)
            if shop is not None and shop != session.shop:
                left.setdefault(shop, []).append(session.id)
        for shop in added:
            names_in(texts, shop)
        # First the sessions, then the lists: a process that dies between leaves a session that
        # nobody finds, and whose store has not returned, rather than an id without a session.
        await self._keys.put(
            {session.id: dump_session_json(session) for session in sessions},
            self._lifetimes(sessions),
        )
        await self._change_lists(texts, added, left)
        for session in sessions:
            self._lists.remember(session)

    def _lifetimes(self, sessions: Sequence[Session]) -> dict[str, int]:
        """Return for how many seconds from now those are kept that are not kept for ever."""
        # Relative, since Cloudflare refuses a moment that its clock has less than 60 s ahead.
        now = datetime.now(UTC)
        lifetimes = {}
        for session in sessions:
            expiry = expiry_of(session, self._expire_dead)
            if expiry is not None:
                seconds = math.ceil((expiry - now).total_seconds())
                lifetimes[session.id] = max(_SHORTEST_LIFE, seconds)
        return lifetimes

    async def delete(self, ids: Sequence[str], texts: Mapping[str, str]) -> None:
        """Delete sessions that are held, with what has been read."""
        left: dict[str, list[str]] = {}
        for id in ids:
            shop = _shop_of(texts, id)
            if shop is not None:
                left.setdefault(shop, []).append(id)
        self._lists.forget(ids)
        await self._change_lists(texts, {}, left)
        # Also those that were not there: they may have been stored elsewhere just now.
        await self._keys.delete(ids)

    async def drop_dangling(self, shops: Sequence[str]) -> None:
        """Drop ids from the lists of shops whose sessions are not there.

        One that was stored elsewhere just now may look like that. So they stay in doubt for as
        long as a read may be old, on either side; see :meth:`settle`.
        """
        keys = [list_key(shop) for shop in shops]
        async with self._lists.holding.of(set(keys)):
            texts = await self._keys.get(keys)
            listed: dict[str, list[str]] = {}
            for shop in shops:
                with suppress(CorruptSessionError):
                    listed[shop] = names_in(texts, shop)
            ids = {id for names in listed.values() for id in names if is_session_id(id)}
            ids -= set(await self._keys.get(sorted(ids))) if ids else set()
            changed = {}
            for shop, names in listed.items():
                if gone := ids.intersection(names):
                    changed[list_key(shop)] = list_of(
                        writable(name for name in names if name not in gone)
                    )
                    self._lists.dropped(shop, gone)
            await self._keys.put(changed)

    async def settle(self) -> None:
        """Look once more for sessions that were left out of their lists while in doubt."""
        overdue = self._lists.overdue()
        if not overdue:
            return
        # It is nothing to this write. What fails is put right when the session is stored again.
        with suppress(KVNamespaceError, OSError, CorruptSessionError):
            async with self.holding([*overdue], {*overdue.values()}) as texts:
                there: dict[str, list[str]] = {}
                for id, shop in overdue.items():
                    if _shop_of(texts, id) == shop:
                        there.setdefault(shop, []).append(id)
                await self._change_lists(texts, there, {})

    async def _change_lists(
        self,
        texts: Mapping[str, str],
        added: Mapping[str, Sequence[str]],
        left: Mapping[str, Sequence[str]],
    ) -> None:
        """Write the lists that change.

        An id stays in its list though its session is not there: it may have been stored elsewhere
        just now, and not be visible here yet. A list to remove from that cannot be read is left
        as it is.
        """
        read: dict[str, list[str]] = {}
        after: dict[str, list[str]] = {}
        for shop in {**added, **left}:
            with suppress(CorruptSessionError):
                read[shop] = names_in(texts, shop)
                gone = set(left.get(shop, ()))
                unique = dict.fromkeys([*read[shop], *added.get(shop, ())])
                after[shop] = [name for name in unique if name not in gone]
        # What was added a moment ago, and is not in the list as it was read.
        lacking = {
            shop: set(self._lists.lately(shop)).difference(names, left.get(shop, ()))
            for shop, names in after.items()
        }
        missing = [id for ids in lacking.values() for id in ids]
        found = await self._keys.get(missing) if missing else {}
        changed: dict[str, str] = {}
        for shop, names in after.items():
            there = [id for id in lacking[shop] if _shop_of(found, id) == shop]
            if (listed := writable([*names, *there])) != read[shop]:
                changed[list_key(shop)] = list_of(listed)
                self._lists.doubt(lacking[shop].difference(there))
        await self._keys.put(changed)


def _shop_of(texts: Mapping[str, str], id: str) -> str | None:
    """Return the shop of what is stored under an id, None if that is no session."""
    text = texts.get(id)
    try:
        return None if text is None else read_session_json(text, id).shop
    except CorruptSessionError:
        return None
