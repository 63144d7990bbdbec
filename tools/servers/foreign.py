"""Tests of the tables of Prisma and Drizzle that all adapters to SQL databases share."""

import asyncio
import logging
from abc import ABC, abstractmethod
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import golden
import pytest
from shopify_session_storage import (
    InvalidSessionError,
    MigrationError,
    Session,
    SqlSessionStorage,
)
from shopify_session_storage.testing.sessions import offline_session, online_session

from servers.foreign_tables import VARIANTS, Database, create_table, quoted

SHOP = "shop.myshopify.com"
LAYOUTS = ("prisma", "drizzle")
SNAKE = {
    "isOnline": "is_online",
    "accessToken": "access_token",
    "userId": "user_id",
    "firstName": "first_name",
    "lastName": "last_name",
    "accountOwner": "account_owner",
    "emailVerified": "email_verified",
    "refreshToken": "refresh_token",
    "refreshTokenExpires": "refresh_token_expires",
}


def without_refresh(session: Session) -> Session:
    """Return a session as it was before there were refresh tokens."""
    return replace(session, refresh_token=None, refresh_token_expires=None)


@pytest.mark.asyncio
class SqlForeignTables(ABC):
    """Every variant of the tables; with the fixture ``place``, an empty database.

    Attributes:
        database: The kind of database.
        data: The folder with what the official adapters have stored.
        nowhere: A place that is never looked at.
    """

    database: ClassVar[Database]
    data: ClassVar[Path]
    nowhere: ClassVar[str]
    golden_folders: ClassVar[tuple[tuple[str, str], ...]] = (
        ("prisma", "prisma"),
        ("drizzle", "drizzle"),
    )

    @abstractmethod
    def make(self, place: Any, **options: Any) -> SqlSessionStorage:
        """Make a storage in a database."""

    @abstractmethod
    async def run_sql(self, place: Any, sql: str) -> None:
        """Run statements."""

    @abstractmethod
    async def tables(self, place: Any) -> list[Any]:
        """Return all that is defined in a database."""

    async def fill(self, place: Any, folder: str) -> None:
        """Restore what an official adapter has stored."""
        await self.run_sql(place, (self.data / folder / "dump.sql").read_text(encoding="utf-8"))

    async def create(self, place: Any, layout: str, *arguments: Any, **options: Any) -> None:
        """Make a table."""
        await self.run_sql(place, create_table(self.database, layout, *arguments, **options))

    async def refusal(self, place: Any, **options: Any) -> str:
        """Return what a storage says that cannot open, and see that it has changed nothing."""
        before = await self.tables(place)
        storage = self.make(place, on_error="raise", **options)
        with pytest.raises(MigrationError) as caught:
            await storage.ready()
        await storage.disconnect()
        assert await self.tables(place) == before
        return str(caught.value)

    async def test_what_the_official_adapters_stored(self, place: Any) -> None:
        for folder, layout in self.golden_folders:
            await self.fill(place, folder)
            expected = golden.without_artefacts(
                golden.load(self.data / folder / "expected_loads.json")
            )
            async with self.make(place, layout=layout, on_error="raise") as storage:
                await golden.assert_loads(storage, expected)

    @pytest.mark.parametrize("variant", VARIANTS)
    @pytest.mark.parametrize("layout", LAYOUTS)
    async def test_every_variant(self, place: Any, layout: str, variant: str) -> None:
        await self.create(place, layout, variant)
        before = await self.tables(place)
        async with self.make(place, layout=layout, on_error="raise") as storage:
            offline, online = offline_session(SHOP), online_session(SHOP)
            if variant < "V3":
                for refused in (offline, replace(offline, refresh_token=None)):
                    with pytest.raises(InvalidSessionError, match="refreshTokenExpires") as caught:
                        await storage.store_session(refused)
                    assert "ALTER TABLE" in str(caught.value)
                with pytest.raises(InvalidSessionError, match="refreshToken"):
                    await storage.compare_and_store(offline, None)
                assert await storage.load_session(offline.id) is None
                offline = without_refresh(offline)
            many = [online_session(SHOP, user) for user in range(1, 40)]
            await asyncio.gather(*map(storage.store_session, [offline, online, *many]))
            assert offline.equals(await storage.load_session(offline.id))
            found = await storage.find_sessions_by_shop(SHOP)
            assert len(found) == 41  # beyond the 25 where Prisma's own adapter stops
            loaded = await storage.load_session(online.id)
            assert loaded is not None
            assert loaded.online_access_info is not None
            assert loaded.access_token == online.access_token
            assert loaded.online_access_info.associated_user.id == 902541635
            assert loaded.equals(online) or variant < "V2"

            newer = replace(offline, access_token="newer", expires=None)
            assert await storage.compare_and_store(newer, newer) is False
            assert await storage.compare_and_store(newer, offline) is True
            assert newer.equals(await storage.load_session(offline.id))
            assert await storage.compare_and_delete(offline) is False
            assert await storage.compare_and_delete(newer) is True
            pages = [page async for page in storage.scan_sessions(batch=15)]
            assert [len(page.sessions) for page in pages] == [15, 15, 10]
            report = await storage.purge_expired(dry_run=True)
            assert (report.examined, report.deleted) == (40, 0)
            assert await storage.delete_sessions(one.id for one in [online, *many]) is True
            assert await storage.find_sessions_by_shop(SHOP) == []
        assert await self.tables(place) == before

    async def test_what_is_not_stored_of_a_user_is_said_once(
        self, place: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        await self.create(place, "prisma", "V1")
        caplog.set_level(logging.WARNING, logger="shopify_session_storage")
        async with self.make(place, layout="prisma") as storage:
            for user in (1, 2):
                assert await storage.store_session(online_session(SHOP, user))
        (record,) = caplog.records
        assert "firstName" in record.message
        assert "userId" not in record.message

    async def test_other_names_and_further_columns(self, place: Any) -> None:
        quote = {"database": self.database}
        await self.create(
            place,
            "prisma",
            "V3t",
            name="app_sessions",
            names={**SNAKE, "shop": "store domain", "state": "nonce"},
            extra=(
                f"{quoted(name='createdAt', **quote)} TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP",
                f"{quoted(name='note', **quote)} varchar(40)",
            ),
        )
        options: dict[str, Any] = {"layout": "prisma", "session_table_name": "app_sessions"}
        assert "shop, state" in await self.refusal(place, **options)
        options["column_names"] = {"shop": "store domain", "state": "nonce"}
        async with self.make(place, on_error="raise", **options) as storage:
            session = online_session(SHOP, refresh_token="r")
            await storage.store_session(session)
            await self.run_sql(
                place, f"UPDATE {quoted(self.database, 'app_sessions')} SET note = 'x'"
            )
            newer = replace(session, scope=None, access_token="newer")
            assert await storage.compare_and_store(newer, session) is True
            (found,) = await storage.find_sessions_by_shop(SHOP)
            assert newer.equals(found)
            assert await storage.compare_and_delete(newer) is True

    @pytest.mark.parametrize("layout", LAYOUTS)
    async def test_no_table(self, place: Any, layout: str) -> None:
        refusal = await self.refusal(place, layout=layout)
        assert "does not exist" in refusal
        assert layout.title() in refusal

    async def test_missing_columns(self, place: Any) -> None:
        await self.create(place, "prisma", without=("expires", "accessToken"))
        refusal = await self.refusal(place, layout="prisma")
        assert "no column for expires, accessToken" in refusal
        assert "expires             DateTime?" in refusal
        assert "accessToken         String" in refusal
        assert "ALTER TABLE" in refusal

    async def test_column_that_nobody_fills(self, place: Any) -> None:
        column = quoted(self.database, "updatedAt")
        await self.create(place, "prisma", extra=(f"{column} DATE NOT NULL",))
        refusal = await self.refusal(place, layout="prisma")
        assert "updatedAt" in refusal
        assert "@updatedAt" in refusal

    async def test_names_that_may_mean_two_columns(self, place: Any) -> None:
        column = quoted(self.database, "access_token")
        await self.create(place, "drizzle", extra=(f"{column} varchar(99)",))
        assert "column_names=" in await self.refusal(place, layout="drizzle")
        async with self.make(
            place, layout="drizzle", column_names={"accessToken": "accessToken"}, on_error="raise"
        ) as storage:
            await storage.store_session(session := offline_session(SHOP))
            assert session.equals(await storage.load_session(session.id))

    async def test_column_that_is_not_there(self, place: Any) -> None:
        await self.create(place, "drizzle")
        names = {"accessToken": "token"}
        assert "token" in await self.refusal(place, layout="drizzle", column_names=names)

    async def test_table_without_a_key(self, place: Any) -> None:
        await self.create(place, "prisma", key="")
        assert "primary key" in await self.refusal(place, layout="prisma")

    @pytest.mark.parametrize("layout", LAYOUTS)
    async def test_table_of_another_kind(self, place: Any, layout: str) -> None:
        async with self.make(place):
            pass
        refusal = await self.refusal(place, layout=layout, session_table_name="shopify_sessions")
        assert "expires" in refusal
        assert 'layout="shopify"' in refusal

    @pytest.mark.parametrize("layout", LAYOUTS)
    async def test_without_a_layout_the_table_is_refused(self, place: Any, layout: str) -> None:
        await self.create(place, layout)
        name = {"prisma": "Session", "drizzle": "session"}[layout]
        refusal = await self.refusal(place, session_table_name=name)
        assert 'layout="prisma"' in refusal
        assert 'layout="drizzle"' in refusal

    @pytest.mark.parametrize("layout", LAYOUTS)
    async def test_leases_need_a_table(self, place: Any, layout: str) -> None:
        await self.create(place, layout, "V2")
        before = await self.tables(place)
        minute = timedelta(minutes=1)
        async with self.make(place, layout=layout) as storage:
            with pytest.raises(MigrationError) as caught:
                await storage.acquire_lease("name", "a", minute)
            declared = {"prisma": "model SessionLease {", "drizzle": "export const sessionLeases"}
            assert declared[layout] in str(caught.value)
            assert "CREATE TABLE" in str(caught.value)
            assert "AccessTokenStore" in str(caught.value)
            with pytest.raises(MigrationError):
                await storage.release_lease("name", "a")
            assert await self.tables(place) == before
            await self.run_sql(place, await storage.migration_sql())
            assert await storage.acquire_lease("name", "a", minute) is True
            assert await storage.acquire_lease("name", "A", minute) is False
            await storage.release_lease("name", "A")
            assert await storage.acquire_lease("name", "b", minute) is False
            await storage.release_lease("name", "a")
            assert await storage.acquire_lease("name", "b", minute) is True
            assert await storage.migration_sql() == ""
        async with self.make(place, layout=layout, on_error="raise") as storage:  # it has all now
            await storage.store_session(session := offline_session(SHOP))
            assert session.equals(await storage.load_session(session.id))

    async def test_leases_in_a_table_of_another_name(self, place: Any) -> None:
        await self.create(place, "prisma")
        create = "CREATE TABLE leases (name varchar(255) PRIMARY KEY, holder varchar(255), "
        await self.run_sql(place, f"{create} expires bigint)")
        async with self.make(place, layout="prisma", leases_table_name="leases") as storage:
            assert await storage.acquire_lease("name", "a", timedelta(minutes=1)) is True

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"layout": "typeorm"}, ValueError, "prisma"),
            ({"layout": None}, TypeError, "layout"),
            ({"column_names": {"id": "key"}}, ValueError, "another program"),
            ({"layout": "prisma", "column_names": ["id"]}, TypeError, "mapping"),
            ({"layout": "prisma", "column_names": {"id": 1}}, TypeError, "str"),
            ({"layout": "prisma", "column_names": {"token": "x"}}, ValueError, "accessToken"),
            ({"layout": "prisma", "column_names": {"id": ""}}, ValueError, "id"),
            ({"layout": "prisma", "column_names": {"id": "x", "shop": "x"}}, ValueError, "twice"),
            ({"layout": "prisma", "leases_table_name": "Session"}, ValueError, "leases"),
            ({"leases_table_name": ""}, ValueError, "leases_table_name"),
            ({"leases_table_name": "shopify_sessions_migrations"}, ValueError, "leases"),
        ],
    )
    async def test_bad_options(
        self, options: dict[str, Any], error: type[Exception], words: str
    ) -> None:
        with pytest.raises(error, match=words):
            self.make(self.nowhere, **options)

    async def test_no_token_is_the_empty_one(self, place: Any) -> None:
        """Both JavaScript adapters write an empty access token for none."""
        await self.create(place, "drizzle")
        bare = Session(id="bare", shop=SHOP, state="", is_online=False)
        async with self.make(place, layout="drizzle", on_error="raise") as storage:
            assert await storage.compare_and_store(bare, None) is True
            loaded = await storage.load_session("bare")
            assert loaded is not None
            assert loaded.access_token is None
            assert await storage.compare_and_store(bare, bare) is True
            assert await storage.compare_and_delete(replace(bare, access_token="")) is True
