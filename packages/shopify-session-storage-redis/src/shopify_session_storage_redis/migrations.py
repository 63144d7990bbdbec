"""Brings keys from before the shop lists up to date, in the record of the JavaScript adapter."""

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from shopify_session_storage import (
    AbstractMigrationEngine,
    CorruptSessionError,
    MigrationOperation,
    Session,
    SessionStorageMigratorOptions,
    read_session_json,
)

from shopify_session_storage_redis.client import Client
from shopify_session_storage_redis.scanning import pattern_of
from shopify_session_storage_redis.scripts import SCRIPTS

JAVASCRIPT_NAME: Final = "migrateToVersion1_0_1"

# In the record while sessions from before the lists are being listed, so that whoever starts
# after a process that died goes on.
PENDING_NAME: Final = "python_shop_lists_pending"

_PAGE: Final = 250
_MAX_BYTES: Final = 4_000_000  # no session is as long, also not with every character escaped

ListSessions = Callable[[Sequence[Session]], Awaitable[None]]


class RedisSessionStorageMigrator(AbstractMigrationEngine[Client]):
    """Lists the sessions that were stored before there were lists of shops.

    The record says so before it is done: the JavaScript adapter would otherwise do it in its own
    way, which blocks the server and stumbles over foreign keys. Any number of processes may do it
    at once; each step is atomic and can be repeated.

    Args:
        client: The client to work with.
        prefix: The prefix of all keys, with its underscore.
        list_sessions: Adds sessions to the lists of their shops.
        logger: Is told of what is in the way.
    """

    def __init__(
        self, client: Client, prefix: str, list_sessions: ListSessions, logger: logging.Logger
    ) -> None:
        super().__init__(
            client,
            SessionStorageMigratorOptions(f"{prefix}migrations"),
            [MigrationOperation(JAVASCRIPT_NAME, self._list_all)],
        )
        self._prefix = prefix.encode()
        self._record = f"{prefix}migrations".encode()
        self._list_sessions = list_sessions
        self._logger = logger

    async def init_migration_persistence(self) -> None:
        """Record the migration as pending unless it is recorded. One round trip or two."""
        names = await self._names()
        if not names.get(JAVASCRIPT_NAME):
            await self._change(b"add")

    async def has_migration_been_applied(self, migration_name: str) -> bool:
        """Tell whether the migration is recorded, and not as pending."""
        names = await self._names()
        return bool(names.get(migration_name)) and not names.get(PENDING_NAME)

    async def save_applied_migration(self, migration_name: str) -> None:
        """Record the migration as done."""
        await self._change(b"remove")

    async def is_up_to_date(self) -> bool:
        """Tell whether there is nothing to do. One round trip."""
        return await self.has_migration_been_applied(JAVASCRIPT_NAME)

    async def _names(self) -> dict[str, object]:
        text = await self.connection.one(("GET", self._record))
        try:
            names = json.loads(text or b"{}")
        except (ValueError, RecursionError):
            names = None
        # What is no record at all is for the script to complain of.
        return names if isinstance(names, dict) else {}

    async def _change(self, pending: bytes) -> None:
        script = SCRIPTS["record"]
        await self.connection.one(
            script.on([self._record], JAVASCRIPT_NAME.encode(), PENDING_NAME.encode(), pending)
        )

    async def _list_all(self, client: Client) -> None:
        async for page in client.scan(pattern_of(self._prefix), _PAGE):
            for first in range(0, len(page), _PAGE):
                await self._list_page(client, page[first : first + _PAGE])

    async def _list_page(self, client: Client, keys: Sequence[bytes]) -> None:
        values = await client.each([("GETRANGE", key, 0, _MAX_BYTES) for key in keys])
        sessions = []
        for key, value in zip(keys, values, strict=True):
            # Keys of other applications may begin alike: what is no string, is no session, or is
            # one under another key than its own, is not ours.
            if isinstance(value, Exception):
                continue
            try:
                session = read_session_json(value)
            except CorruptSessionError:
                continue
            if self._prefix + session.id.encode(errors="replace") == key:
                sessions.append(session)
        if sessions:
            await self._list_sessions(sessions)


def check_migrator_options(options: SessionStorageMigratorOptions | None, prefix: str) -> None:
    """See that the record of migrations is not wanted elsewhere than it is.

    Raises:
        TypeError: If they are no migrator options.
        ValueError: If they name another record.
    """
    if options is None:
        return
    if not isinstance(options, SessionStorageMigratorOptions):
        raise TypeError(
            f"migrator_options must be SessionStorageMigratorOptions, not {type(options).__name__}"
        )
    default = SessionStorageMigratorOptions().migration_db_identifier
    if options.migration_db_identifier not in (default, "migrations", f"{prefix}migrations"):
        raise ValueError(
            f"the record of migrations is always {prefix}migrations, "
            "where the JavaScript package looks for it"
        )
