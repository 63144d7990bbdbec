"""Keys on different nodes: the session changes first, then the list, each in one atomic step."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from shopify_session_storage import CorruptSessionError, Session, dump_session_json

from shopify_session_storage_redis.records import read, tokens_of
from shopify_session_storage_redis.scripts import SCRIPTS
from shopify_session_storage_redis.way import Changes, Way


class Apart(Way):
    """Changes sessions, then the lists of their shops."""

    async def values(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        answers = await self._client.each([("GET", key) for key in keys])
        return [None if isinstance(answer, Exception) else answer for answer in answers]

    async def lists(self, shops: Sequence[str]) -> Sequence[bytes | Exception | None]:
        return await self._client.each([("GET", self._keys.key(shop)) for shop in shops])

    async def store(self, sessions: Sequence[Session]) -> Sequence[bytes] | None:
        keys = [self._keys.key(session.id) for session in sessions]
        written = [
            (dump_session_json(session).encode(), self.expiry(session)) for session in sessions
        ]
        answers = await self._client.each(
            [SCRIPTS["put"].on([key], *what) for key, what in zip(keys, written, strict=True)]
        )
        return await self._list_stored(sessions, answers)

    async def compare_and_store(
        self, session: Session, tokens: Sequence[bytes]
    ) -> Sequence[bytes] | None:
        text = dump_session_json(session).encode()
        put = SCRIPTS["compare_and_put"].on(
            [self._keys.key(session.id)], text, self.expiry(session), *tokens
        )
        answer: Sequence[bytes] = await self._client.one(put)
        if answer == [b"same"]:
            # If an earlier try has stored it, that one may not have come to the list.
            return await self._list_stored([session], [(b"none", b"")]) or answer
        if answer == [b"other"]:
            return answer
        return await self._list_stored([session], [answer])

    async def _list_stored(
        self, sessions: Sequence[Session], answers: Sequence[Sequence[bytes]]
    ) -> Sequence[bytes] | None:
        """Bring the lists of shops up to date, given what was under each session's key before."""
        changes = Changes()
        conflict: Sequence[bytes] | None = None
        for session, (kind, old_shop) in zip(sessions, answers, strict=True):
            if kind in (b"list", b"other"):
                conflict = (kind, self._keys.key(session.id))
                continue
            shop = session.shop.encode()
            changes.add(shop, session.id)
            if old_shop and old_shop != shop:
                changes.remove(old_shop, session.id)
        return await self._change_lists(changes) or conflict

    async def delete(self, ids: Sequence[str]) -> None:
        await self._take(ids, [[]] * len(ids))

    async def compare_and_delete(self, expected: Sequence[Session]) -> list[str]:
        return await self._take([session.id for session in expected], map(tokens_of, expected))

    async def drop_dangling(self, lists: Mapping[str, Sequence[str]]) -> None:
        changes = Changes()
        for shop, ids in lists.items():
            values = await self.values([self._keys.key(id) for id in ids])
            for id, value in zip(ids, values, strict=True):
                if value is None:
                    changes.remove(shop.encode(), id)
        await self._change_lists(changes)

    async def _take(self, ids: Sequence[str], tokens: Iterable[Sequence[bytes]]) -> list[str]:
        """Delete sessions, of those with tokens only what has them; return the ids of the rest."""
        take = SCRIPTS["take"]
        answers = await self._client.each(
            [take.on([self._keys.key(id)], *those) for id, those in zip(ids, tokens, strict=True)]
        )
        changes = Changes()
        others = []
        for id, (word, shop) in zip(ids, answers, strict=True):
            if word == b"other":
                others.append(id)
            elif shop:
                changes.remove(shop, id)
        await self._change_lists(changes)
        return others

    async def _change_lists(self, changes: Changes) -> Sequence[bytes] | None:
        """Change the lists of shops, and return one of the keys in the way, if there are some."""
        conflict = await self.send_changes(changes)
        removed = [(shop, id) for shop, (_, ids) in changes.lists.items() for id in ids]
        if removed:
            # Another process may have stored the session again, and added it to the list, before
            # it was removed there. An entry too many does no harm, one too few would.
            values = await self.values([self._keys.key(id) for _, id in removed])
            repair = Changes()
            for (shop, id), value in zip(removed, values, strict=True):
                with suppress(CorruptSessionError):
                    session = read(value, id)
                    if session is not None and session.shop.encode() == shop:
                        repair.add(shop, id)
            await self.send_changes(repair)
        return conflict
