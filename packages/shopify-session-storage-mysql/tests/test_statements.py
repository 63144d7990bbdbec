"""What is sent: round trips, indexes, values in every sql_mode."""

import asyncio
from datetime import timedelta

import aiomysql
import pytest
from hypothesis import given
from servers import mysql
from servers.calling import round_trips
from servers.coming_back import comes_back, some_examples
from servers.disturbing import travel_together
from shopify_session_storage import (
    CorruptSessionError,
    Session,
    SessionStorageError,
    open_session_storage,
)
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage.testing.strategies import sessions
from shopify_session_storage_mysql import MySQLSessionStorage

from .conftest import (
    SHOP,
    mysql_with,
    need_mode,
    query,
    through,
)


@given(session=sessions())
@some_examples
@pytest.mark.asyncio
async def test_what_is_stored_comes_back(mysql_url, session: Session):
    async with MySQLSessionStorage(mysql_url, on_error="raise") as storage:
        await comes_back(storage, session)


@pytest.mark.asyncio
async def test_stored_row_is_laid_out_as_documented(database_url):
    async with open_session_storage(database_url, on_error="raise") as storage:
        await storage.store_session(offline_session(SHOP, access_token="t", refresh_token="r"))
    (row,) = await query(database_url, "SELECT * FROM shopify_sessions")
    columns = [column[0] for column in await query(database_url, "DESCRIBE shopify_sessions")]
    names = await query(database_url, "SELECT migration_name FROM shopify_sessions_migrations")
    stored = {name: value for name, value in zip(columns, row, strict=True) if value is not None}
    assert stored == {
        "id": "offline_alpha.myshopify.com",
        "shop": SHOP,
        "state": "nonce",
        "isOnline": 0,
        "scope": "read_products,write_orders",
        "expires": 1935817689,  # seconds
        "accessToken": "t",
        "refreshToken": "r",
        "refreshTokenExpires": 1943578921,  # seconds
    }
    assert sorted(row[0] for row in names) == [
        "addRefreshTokenFields",
        "addUserInfoColumns",
        "migrateScopeFieldToVarchar1024",
        "python_upgrade_shopify_sessions",
    ]


@pytest.mark.asyncio
async def test_every_operation_is_one_round_trip(database_url, proxy):
    async with MySQLSessionStorage(through(proxy, database_url), on_error="raise") as storage:
        assert await round_trips(storage, proxy) == [1] * 6
        assert proxy.connections == 0


@pytest.mark.asyncio
async def test_calls_that_wait_travel_in_few_round_trips(database_url, proxy):
    async with MySQLSessionStorage(through(proxy, database_url), on_error="raise") as storage:
        await travel_together(storage, proxy)


@pytest.mark.asyncio
async def test_load_find_and_delete_use_an_index(database_url):
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        await asyncio.gather(
            *(storage.store_session(offline_session(f"{n}.example")) for n in range(2000))
        )
        # What has a backslash is written in another way.
        await storage.store_session(offline_session("\\"))
        await storage._fetch("ANALYZE TABLE shopify_sessions", ())
        ids = ["offline_\\", "offline_1.example", "offline_2.example"]
        for sql, parameters in (
            (storage._select + storage._is_one_of(storage._id, ids[:1])[0], ids[:1]),
            (storage._select + storage._is_one_of(storage._id, ids)[0], ids),
            (storage._select + storage._is_one_of(storage._shop, ["1.example"])[0], ["1.example"]),
            (storage._select + storage._is_one_of(storage._shop, ["\\"])[0], ["\\"]),
            (
                storage._select + storage._is_one_of(storage._shop, ["1.example", "2.example"])[0],
                ["1.example", "2.example"],
            ),
            (storage._delete_from + storage._is_one_of(storage._id, ids[1:])[0], ids[1:]),
        ):
            (row,) = await storage._fetch(f"EXPLAIN {sql}", parameters)
            assert "PRIMARY" in row or "shopify_sessions_shop_index" in row
            assert {"const", "ref", "range"} & {*row}  # not ALL, nor a scan of a whole index


@pytest.mark.asyncio
async def test_big_shops_many_ids_and_many_tasks(database_url):
    late = timedelta(minutes=2)  # on a busy machine
    async with MySQLSessionStorage(database_url, on_error="raise", timeout=late) as storage:
        many = [online_session(SHOP, user) for user in range(10_000)]
        await asyncio.gather(*map(storage.store_session, many))
        assert len(await storage.find_sessions_by_shop(SHOP)) == 10_000

        async def task(number: int) -> None:
            for session in many[number::200]:
                assert session.equals(await storage.load_session(session.id))

        await asyncio.gather(*map(task, range(200)))
        assert await storage.delete_sessions(session.id for session in many) is True
        assert await storage.find_sessions_by_shop(SHOP) == []


@pytest.mark.asyncio
async def test_largest_sessions_fit_into_the_packets_of_the_server(database_url):
    with mysql_with("max-allowed-packet=1M") as small:
        for url in (database_url, small):
            async with MySQLSessionStorage(url, on_error="raise") as storage:
                many = [
                    offline_session(f"{n}.example", access_token="\\'\n" * 99_000)
                    for n in range(12)
                ]
                assert all(await asyncio.gather(*map(storage.store_session, many)))
                loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
                assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))


@pytest.mark.asyncio
async def test_session_that_no_packet_takes_in_json_is_told_without_its_text():
    """JSON needs six characters for a control character."""
    with mysql_with("max-allowed-packet=1M") as url:
        async with MySQLSessionStorage(url, on_error="raise") as storage:
            await storage.store_session(offline_session(SHOP, access_token="\x01" * 200_000))
            await storage.store_session(offline_session("other.example"))
            loads = (storage.load_session(f"offline_{shop}") for shop in (SHOP, "other.example"))
            failed, loaded = await asyncio.gather(*loads, return_exceptions=True)
            assert isinstance(failed, CorruptSessionError)
            assert "\x01" not in str(failed)
            assert loaded.shop == "other.example"
            pages = [page async for page in storage.scan_sessions(batch=1)]
            assert [id for page in pages for id in page.corrupt] == [f"offline_{SHOP}"]
            assert [one.shop for page in pages for one in page.sessions] == ["other.example"]


MODES = [
    "",
    "NO_BACKSLASH_ESCAPES",
    "ANSI",
    "ORACLE",
    "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,IGNORE_SPACE,PAD_CHAR_TO_FULL_LENGTH,STRICT_ALL_TABLES",
]
NASTY = [
    "\\",
    "\\'",
    "'",
    "''",
    "\\\\'",
    "' OR 1=1 -- ",
    "\\' OR 1=1 -- ",
    '"',
    "%s",
    "%",
    "\x1a\n\r",
]


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("autocommit", [True, False])
async def test_text_is_text_in_every_sql_mode(database_url, mode, autocommit):
    await need_mode(database_url, mode)
    many = [
        Session(id=f"{text}{n}", shop=f"shop{text}", state=text, is_online=False, access_token=text)
        for n, text in enumerate(NASTY)
    ]

    async def check(storage) -> None:
        await asyncio.gather(*map(storage.store_session, many))
        for session in many:
            await storage.store_session(session)
            assert session.equals(await storage.load_session(session.id))
            assert len(await storage.find_sessions_by_shop(session.shop)) == 1
        loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
        assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))
        for id in ("' OR 1=1 -- ", "\\' OR 1=1 -- ", "x' OR 'x'='x"):
            await storage.delete_session(id)
            assert await storage.load_session(id) is None
        for session in many:
            assert session.equals(await storage.load_session(session.id))

    options = mysql.options_of(database_url)
    async with aiomysql.create_pool(
        **options, init_command=f"SET sql_mode = '{mode}'", autocommit=autocommit
    ) as pool:
        await check(MySQLSessionStorage(pool, on_error="raise"))
    async with MySQLSessionStorage(
        database_url, pool_options={"init_command": f"SET sql_mode = '{mode}'"}, on_error="raise"
    ) as storage:
        await check(storage)
        rows = await storage._fetch("SELECT @@sql_mode", ())
        assert rows[0][0] == "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"


@pytest.mark.asyncio
async def test_nothing_is_cut_on_a_server_that_is_not_strict():
    with mysql_with(
        "sql-mode=",
        "character-set-server=latin1",
        "skip-character-set-client-handshake",
        "default-storage-engine=MyISAM",
    ) as url:
        async with MySQLSessionStorage(url, on_error="raise") as storage:
            session = online_session("日本😀.example", 2**53 - 1, scope="é" * 70_000)
            await storage.store_session(session)
            assert session.equals(await storage.load_session(session.id))
        await query(url, "ALTER TABLE shopify_sessions MODIFY email varchar(5)")
        async with MySQLSessionStorage(url, on_error="raise") as storage:
            await storage.store_session(session)
            assert session.equals(await storage.load_session(session.id))
            await storage.delete_session(session.id)
            await storage._fetch("ALTER TABLE shopify_sessions MODIFY scope varchar(5)", ())
            with pytest.raises(SessionStorageError, match="DataError"):
                await storage.store_session(session)


@pytest.mark.asyncio
async def test_store_keeps_columns_that_it_does_not_know(database_url):
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        await storage._fetch("ALTER TABLE shopify_sessions ADD COLUMN note varchar(20)", ())
        session = online_session(SHOP, 1)
        await storage.store_session(session)
        await storage._fetch("UPDATE shopify_sessions SET note = 'kept'", ())
        session.scope = session.access_token = None
        await storage.store_session(session)
        rows = await query(database_url, "SELECT note, scope, accessToken FROM shopify_sessions")
        assert rows == [("kept", None, None)]
