"""What both ways of working have in common: all keys on one node, or keys on different nodes."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from shopify_session_storage import Session, expiry_of

from shopify_session_storage_redis.client import Client
from shopify_session_storage_redis.records import Keys, Listed, kind_of, names_in
from shopify_session_storage_redis.scripts import SCRIPTS, Command

_HEAD: Final = 40  # bytes; enough to tell a list from a session


class Way(ABC):
    """How sessions and the lists of their shops are read and changed.

    Args:
        client: Sends the commands.
        keys: Names the keys.
        expire_dead: How long after its end a session is to be deleted by Redis; None for never.
    """

    def __init__(self, client: Client, keys: Keys, expire_dead: timedelta | None) -> None:
        self._client = client
        self._keys = keys
        self._expire_dead = expire_dead

    def expiry(self, session: Session) -> bytes:
        """Return when a session is to be deleted, as the scripts take it."""
        expiry = expiry_of(session, self._expire_dead)
        return b"" if expiry is None else b"%d" % round(expiry.timestamp() * 1000)

    @abstractmethod
    async def values(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """Return what is stored under each key; None also for what is not a string."""

    @abstractmethod
    async def lists(self, shops: Sequence[str]) -> Sequence[bytes | Exception | None]:
        """Return what is under the key of each shop's list; an error for what is no string."""

    @abstractmethod
    async def store(self, sessions: Sequence[Session]) -> Sequence[bytes] | None:
        """Store sessions and list them. Return what is in the way, if there is something."""

    @abstractmethod
    async def compare_and_store(
        self, session: Session, tokens: Sequence[bytes]
    ) -> Sequence[bytes] | None:
        """Store a session if what is stored has the tokens that are expected.

        Args:
            session: The session.
            tokens: The expected ones, as ``tokens_of`` spells them.

        Returns:
            None if it is stored; one word if it is not: ``same`` if the whole session is there
            already, else ``other``; or what is in the way.
        """

    @abstractmethod
    async def compare_and_delete(self, expected: Sequence[Session]) -> list[str]:
        """Delete sessions that have the tokens that are expected; return the ids of the others."""

    @abstractmethod
    async def delete(self, ids: Sequence[str]) -> None:
        """Delete sessions, and take them off their lists."""

    @abstractmethod
    async def drop_dangling(self, lists: Mapping[str, Sequence[str]]) -> None:
        """Take off lists the sessions that are not there.

        Args:
            lists: Ids that are in the list of each shop; these alone are looked at.
        """

    async def heads(self, keys: Sequence[bytes]) -> list[bytes]:
        """Return the beginning of what is under each key; of what is no string, nothing."""
        answers = await self._client.each([("GETRANGE", key, 0, _HEAD) for key in keys])
        return [b"" if isinstance(answer, Exception) else answer for answer in answers]

    async def find(self, shops: Sequence[str]) -> Iterable[Listed]:
        """Return what is under the keys in the lists of shops: first the lists, then the keys."""
        listed = [
            (shop, name)
            for shop, answer in zip(shops, await self.lists(shops), strict=True)
            for name in dict.fromkeys(names_in(*kind_of(answer), shop))
            if name.startswith(self._keys.prefix)
        ]
        keys = [name.encode(errors="surrogatepass") for _, name in listed]
        values = await self.values(keys) if keys else []
        return [(*place, value) for place, value in zip(listed, values, strict=True)]

    async def list_sessions(self, sessions: Sequence[Session]) -> Sequence[bytes] | None:
        """Add sessions to the lists of their shops. Return what is in the way, if anything is."""
        changes = Changes()
        for session in sessions:
            changes.add(session.shop.encode(), session.id)
        return await self.send_changes(changes)

    async def send_changes(self, changes: "Changes") -> Sequence[bytes] | None:
        """Change lists, each in one atomic step. Return what is in the way, if anything is."""
        commands: list[Command] = []
        for shop, (added, removed) in changes.lists.items():
            arguments: list[bytes] = []
            for id in (*added, *removed):
                arguments += (self._keys.key(id), self._keys.token(id))
            list_key = self._keys.key("") + shop
            commands.append(SCRIPTS["relist"].on([list_key], len(added), *arguments))
        answers = await self._client.each(commands) if commands else []
        return next((answer for answer in answers if answer is not None), None)


class Changes:
    """What to add to the lists of shops, and what to remove from them."""

    def __init__(self) -> None:
        self.lists: dict[bytes, tuple[list[str], list[str]]] = {}

    def add(self, shop: bytes, id: str) -> None:
        """Add a session to the list of a shop."""
        self.lists.setdefault(shop, ([], []))[0].append(id)

    def remove(self, shop: bytes, id: str) -> None:
        """Remove a session from the list of a shop."""
        self.lists.setdefault(shop, ([], []))[1].append(id)
