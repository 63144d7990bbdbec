"""All keys on one node: every operation is one atomic step, in one round trip."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from shopify_session_storage import Session, dump_session_json

from shopify_session_storage_redis.records import Listed, names_in, tokens_of, unreadable
from shopify_session_storage_redis.scripts import SCRIPTS
from shopify_session_storage_redis.way import Way

_AT_ONCE: Final = 200  # the server does nothing else while a script runs


class Together(Way):
    """Changes a session and the list of its shop together, in a script."""

    async def values(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        values: list[bytes | None] = await self._client.one(("MGET", *keys))
        return values

    async def lists(self, shops: Sequence[str]) -> Sequence[bytes | Exception | None]:
        gets = [("GET", self._keys.key(shop)) for shop in shops]
        answers: list[Any] = await self._client.one(("MGET", *(key for _, key in gets)))
        # MGET has nothing for what is no string, too. A GET of each takes three times as long.
        absent = [place for place, answer in enumerate(answers) if answer is None]
        if absent:
            told = await self._client.each([gets[place] for place in absent])
            for place, answer in zip(absent, told, strict=True):
                answers[place] = answer
        return answers

    async def find(self, shops: Sequence[str]) -> Iterable[Listed]:
        if len(shops) > 1:
            return await super().find(shops)
        (shop,) = shops
        find = SCRIPTS["find"].on([self._keys.key(shop)], self._keys.key(""))
        kind, *found = await self._client.one(find)
        text, *values = found or [b""]
        names = names_in(kind, text, shop)
        if len(values) != len(names):
            raise unreadable(shop)
        return [(shop, name, value) for name, value in zip(names, values, strict=True)]

    async def store(self, sessions: Sequence[Session]) -> Sequence[bytes] | None:
        keys = [self._keys.key(session.id) for session in sessions]
        keys += [self._keys.key(session.shop) for session in sessions]
        arguments = [self._keys.key("")]
        for session in sessions:
            arguments += (
                dump_session_json(session).encode(),
                self._keys.token(session.id),
                self.expiry(session),
            )
        conflict: Sequence[bytes] | None = await self._client.one(
            SCRIPTS["store"].on(keys, *arguments)
        )
        return conflict

    async def compare_and_store(
        self, session: Session, tokens: Sequence[bytes]
    ) -> Sequence[bytes] | None:
        answer: Sequence[bytes] | None = await self._client.one(
            SCRIPTS["compare_and_store"].on(
                [self._keys.key(session.id), self._keys.key(session.shop)],
                self._keys.key(""),
                dump_session_json(session).encode(),
                self._keys.token(session.id),
                self.expiry(session),
                *tokens,
            )
        )
        return answer

    async def delete(self, ids: Sequence[str]) -> None:
        keys = [self._keys.key(id) for id in ids]
        tokens = [self._keys.token(id) for id in ids]
        await self._client.one(SCRIPTS["delete"].on(keys, self._keys.key(""), *tokens))

    async def drop_dangling(self, lists: Mapping[str, Sequence[str]]) -> None:
        parts = [
            (shop, ids[first : first + _AT_ONCE])
            for shop, ids in lists.items()
            for first in range(0, len(ids), _AT_ONCE)
        ]
        if not parts:
            return
        # Nearly all are there, which a script of each list would take far longer to find out.
        counts = await self._client.each(
            [("EXISTS", *map(self._keys.key, ids)) for _, ids in parts]
        )
        commands = [
            SCRIPTS["tidy"].on(
                [self._keys.key(shop), *map(self._keys.key, ids)], *map(self._keys.token, ids)
            )
            for (shop, ids), count in zip(parts, counts, strict=True)
            if count < len(ids)
        ]
        if commands:
            await self._client.each(commands)

    async def compare_and_delete(self, expected: Sequence[Session]) -> list[str]:
        keys = [self._keys.key(session.id) for session in expected]
        arguments = [self._keys.key("")]
        for session in expected:
            arguments += (self._keys.token(session.id), *tokens_of(session))
        others: list[int] = await self._client.one(SCRIPTS["delete"].on(keys, *arguments))
        return [expected[number - 1].id for number in others]
