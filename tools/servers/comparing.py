"""Tests of compare_and_store() and leases that all adapters to an SQL server share."""

import asyncio
from abc import ABC, abstractmethod
from datetime import timedelta
from typing import Any, ClassVar, Final

import pytest
from shopify_session_storage import MigrationError, SqlSessionStorage
from shopify_session_storage.testing.sessions import offline_session

from servers.proxy import Proxy
from servers.racing import (
    count_in_processes,
    count_through_cuts,
    first_lease_in_processes,
    lease_of_the_dead,
)

SESSION: Final = offline_session("shop.myshopify.com")
MINUTE: Final = timedelta(minutes=1)
SESSIONS_ONLY: Final = (
    "SELECT, INSERT, UPDATE, DELETE ON shopify_sessions",
    "SELECT ON shopify_sessions_migrations",
)


@pytest.mark.asyncio
class SqlComparing(ABC):
    """Processes, round trips, old databases, rights; with the fixtures database_url and proxy.

    Attributes:
        storage: The adapter.
    """

    storage: ClassVar[type[SqlSessionStorage]]

    @abstractmethod
    def through(self, proxy: Proxy, url: str) -> str:
        """Return *url* with the address of the proxy, without TLS."""

    @abstractmethod
    async def query(self, url: str, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement."""

    @abstractmethod
    async def run_sql(self, url: str, sql: str) -> None:
        """Run statements."""

    @abstractmethod
    async def limited_user(self, url: str, *grants: str) -> str:
        """Make a user with nothing but *grants*, and return the URL for it."""

    def _open(self, url: str, on_error: str = "raise", **options: Any) -> SqlSessionStorage:
        make: Any = self.storage
        storage: SqlSessionStorage = make(url, on_error=on_error, **options)
        return storage

    async def _drop_leases(self, url: str) -> None:
        """Set up a database as it was before there were leases."""
        async with self._open(url):
            pass
        await self.run_sql(url, "DROP TABLE shopify_sessions_leases")

    async def test_two_processes_count_together(self, database_url: str) -> None:
        await asyncio.to_thread(count_in_processes, database_url, {"on_error": "raise"})

    async def test_lease_of_a_dead_process_ends(self, database_url: str) -> None:
        await asyncio.to_thread(lease_of_the_dead, database_url, {"on_error": "raise"})

    async def test_no_comparison_is_lost_to_a_cut_connection(
        self, database_url: str, proxy: Proxy
    ) -> None:
        async with self._open(self.through(proxy, database_url)) as storage:
            await count_through_cuts(storage, proxy.cut)

    async def test_each_call_is_one_round_trip(self, database_url: str, proxy: Proxy) -> None:
        async with self._open(self.through(proxy, database_url)) as storage:
            await storage.acquire_lease("first", "holder", MINUTE)  # looks for the table
            calls = (
                lambda: storage.compare_and_store(SESSION, None),
                lambda: storage.compare_and_store(SESSION, None),
                lambda: storage.compare_and_store(SESSION, SESSION),
                lambda: storage.acquire_lease("name", "a", MINUTE),
                lambda: storage.acquire_lease("name", "b", MINUTE),
                lambda: storage.release_lease("name", "a"),
            )
            for turn in range(2):  # statements are prepared in the first one
                for call in calls:
                    proxy.reset()
                    await call()
                    assert proxy.round_trips == 1 or turn == 0

    async def test_database_from_before_the_leases_gets_them_with_the_first_one(
        self, database_url: str
    ) -> None:
        await self._drop_leases(database_url)
        await asyncio.to_thread(first_lease_in_processes, database_url, {"on_error": "raise"})
        names = await self.query(database_url, "SELECT name FROM shopify_sessions_leases")
        assert names == [("name",)]

    async def test_user_without_the_right_to_create_needs_leases_only_to_lease(
        self, database_url: str
    ) -> None:
        await self._drop_leases(database_url)
        url = await self.limited_user(database_url, *SESSIONS_ONLY)
        async with self._open(url, on_error="log") as storage:
            assert await storage.compare_and_store(SESSION, None)
            with pytest.raises(MigrationError, match="may not create") as caught:
                await storage.acquire_lease("name", "holder", MINUTE)
            sql = await storage.migration_sql()
            assert "shopify_sessions_leases" in sql
            assert sql in str(caught.value)
        await self.run_sql(database_url, sql)
        leases = "SELECT, INSERT, UPDATE, DELETE ON shopify_sessions_leases"
        url = await self.limited_user(database_url, *SESSIONS_ONLY, leases)
        async with self._open(url) as storage:
            assert await storage.migration_sql() == ""
            assert await storage.acquire_lease("name", "holder", MINUTE)
            await storage.release_lease("name", "holder")

    async def test_long_names_of_tables_have_leases_too(self, database_url: str) -> None:
        length = self.storage.dialect.max_identifier_length
        for name in ("a" * length, "b" * length):
            async with self._open(database_url, session_table_name=name) as storage:
                assert await storage.acquire_lease("name", "holder", MINUTE)
                assert not await storage.acquire_lease("name", "other", MINUTE)
