"""SQLiteSessionStorage in the tables of Prisma and Drizzle."""

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from servers.foreign import SHOP, SqlForeignTables
from servers.foreign_tables import create_table
from shopify_session_storage import MigrationError, open_session_storage
from shopify_session_storage.testing import SessionStorageBattery
from shopify_session_storage.testing.differences import EMPTY_TOKEN_IS_NONE, unknown_is_false
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_sqlite import SQLiteSessionStorage

from .conftest import query


def run(path, *statements):
    with closing(sqlite3.connect(path)) as connection:
        for sql in statements:
            connection.executescript(sql)


class TestForeignTables(SqlForeignTables):
    database = "sqlite"
    data = Path(__file__).parent / "data"
    nowhere = "nowhere.db"
    golden_folders = (
        ("prisma_iso", "prisma"),
        ("prisma_unixepoch", "prisma"),
        ("drizzle", "drizzle"),
    )

    @pytest.fixture
    def place(self, tmp_path):
        path = tmp_path / "prisma.db"
        run(path, "PRAGMA user_version = 1")  # it is there
        return path

    def make(self, place, **options):
        return SQLiteSessionStorage(place, **options)

    async def run_sql(self, place, sql):
        run(place, sql)

    async def tables(self, place):
        return query(place, "SELECT name, sql FROM sqlite_master ORDER BY name")

    async def fill(self, place, folder):
        shutil.copy(self.data / folder / "sessions.sqlite", place)


class LayoutBattery(SessionStorageBattery):
    lacks = frozenset({"breakable"})  # nothing goes away that is no server
    layout = "prisma"
    variant = "V3"
    layout_allows = (EMPTY_TOKEN_IS_NONE,)

    @pytest.fixture
    def storage_factory(self, tmp_path):
        path = tmp_path / "sessions.db"
        run(
            path,
            create_table("sqlite", self.layout, self.variant),
            f'CREATE TABLE "{self.layout}_leases" (name TEXT PRIMARY KEY, holder TEXT, '
            "expires BIGINT)",
        )
        return lambda: SQLiteSessionStorage(
            path, layout=self.layout, leases_table_name=f"{self.layout}_leases"
        )

    @pytest_asyncio.fixture
    async def storage(self, storage_factory):
        async with storage_factory() as storage:
            yield storage

    @pytest.fixture
    def failing_storage_factory(self, tmp_path):
        (tmp_path / "directory").mkdir()
        return lambda on_error: SQLiteSessionStorage(
            tmp_path / "directory", layout=self.layout, on_error=on_error
        )


class TestPrisma(LayoutBattery):
    pass


class TestTemplateOfPrisma(LayoutBattery):
    variant = "V3t"
    layout_allows = (EMPTY_TOKEN_IS_NONE, unknown_is_false("account_owner"))


class TestDrizzle(LayoutBattery):
    layout = "drizzle"


@pytest.mark.asyncio
@pytest.mark.parametrize("newest", ["1774000000123", "'2026-03-20T09:46:40.123+00:00'"])
async def test_dates_are_written_as_in_the_newest_row(tmp_path, newest):
    """Prisma's client writes one form, as it is set up, and reads both."""
    path = tmp_path / "prisma.db"
    row = "INSERT INTO Session (id, shop, state, accessToken, expires) VALUES"
    run(
        path,
        create_table("sqlite", "prisma"),
        f"{row} ('1', 's', '', '', 1774000000123), ('2', 's', '', '', '2026-03-20 09:46:40'),"
        "('3', 's', '', '', '2026-03-20T11:46:40.123456+02:00'),"
        "('4', 's', '', '', '1774000000123'),"
        f"('5', 's', '', '', {newest}), ('6', 's', '', '', NULL)",
    )
    session = offline_session(SHOP)
    async with SQLiteSessionStorage(path, layout="prisma", on_error="raise") as storage:
        read = {one.id: one.expires for one in await storage.find_sessions_by_shop("s")}
        await storage.store_session(session)
        assert session.equals(await storage.load_session(session.id))
    whole = read["2"]
    assert whole.isoformat() == "2026-03-20T09:46:40+00:00"
    assert {read[id] for id in "1345"} == {whole + timedelta(milliseconds=123)}
    assert read["6"] is None
    ((kind, date),) = query(
        path, f"SELECT typeof(expires), refreshTokenExpires FROM Session WHERE shop = '{SHOP}'"
    )
    assert (kind, date) == (
        ("text", "2031-08-04T03:02:01.000+00:00")
        if "T" in newest
        else ("integer", round(session.refresh_token_expires.timestamp() * 1000))
    )


@pytest.mark.asyncio
async def test_drizzle_reads_what_is_written(tmp_path):
    """As its adapter for SQLite writes it: a user's id as a blob, a date with Z, a flag as 1."""
    path = tmp_path / "drizzle.db"
    run(path, create_table("sqlite", "drizzle"))
    async with SQLiteSessionStorage(path, layout="drizzle", on_error="raise") as storage:
        await storage.store_session(online_session(SHOP))
    columns = "typeof(userId), userId, expires, isOnline, emailVerified, accountOwner"
    assert query(path, f"SELECT {columns} FROM session") == [
        ("blob", b"902541635", "2031-05-06T07:08:09.000Z", 1, 1, 0)
    ]


@pytest.mark.asyncio
async def test_ids_that_a_column_confuses(tmp_path):
    """Ids that differ in their case alone would be one row."""
    path = tmp_path / "prisma.db"
    run(path, create_table("sqlite", "prisma", types={"id": "TEXT COLLATE NOCASE"}))
    async with SQLiteSessionStorage(tmp_path / "other.db"):
        pass
    with pytest.raises(MigrationError, match="byte by byte"):
        await SQLiteSessionStorage(path, layout="prisma").ready()


@pytest.mark.asyncio
async def test_no_file_is_created(tmp_path):
    path = tmp_path / "none.db"
    storage = SQLiteSessionStorage(path, layout="prisma")
    with pytest.raises(MigrationError, match="no database"):
        await storage.ready()
    assert not path.exists()


@pytest.mark.asyncio
async def test_layout_in_a_url(tmp_path):
    path = tmp_path / "prisma.db"
    run(path, create_table("sqlite", "prisma"))
    async with open_session_storage(f"sqlite:///{path}?layout=prisma", on_error="raise") as storage:
        assert await storage.store_session(offline_session(SHOP))
    assert query(path, "SELECT shop FROM Session") == [(SHOP,)]
    with pytest.raises(ValueError, match="layout"):
        open_session_storage("sqlite:///x.db?layout=typeorm")
