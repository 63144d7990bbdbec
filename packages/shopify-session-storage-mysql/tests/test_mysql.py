"""What is particular to MySQL: round trips, pools, sql_mode, TLS, errors."""

import asyncio
import logging
import ssl
import subprocess
import sys
import tempfile
import textwrap
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiomysql
import pytest
import pytest_asyncio
import trustme
from hypothesis import HealthCheck, given, settings
from servers import mysql
from servers.discovery import PASSWORD, USER, free_port
from servers.disturbing import bear_cancellations, bear_cuts, follow_to_a_new_loop, travel_together
from shopify_session_storage import (
    CorruptSessionError,
    MigrationError,
    Session,
    SessionStorageError,
    SessionStorageUnavailableError,
    open_session_storage,
)
from shopify_session_storage.testing import SessionStorageBattery
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage.testing.strategies import sessions
from shopify_session_storage_mysql import MySQLSessionStorage
from shopify_session_storage_mysql.connections import ConflictError

from .conftest import query, run_sql, through

SHOP = "alpha.myshopify.com"


@given(session=sessions())
@settings(
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.asyncio
async def test_what_is_stored_comes_back(mysql_url, session: Session):
    async with MySQLSessionStorage(mysql_url, on_error="raise") as storage:
        await storage.store_session(session)
        assert session.equals(await storage.load_session(session.id))
        found = await storage.find_sessions_by_shop(session.shop)
        assert [session.id] == [one.id for one in found]


# --- round trips and load -------------------------------------------------------------------------


async def round_trips(storage, proxy) -> list[int]:
    many = [online_session(SHOP, user) for user in range(50)]
    counts = []
    for call in (
        lambda: storage.store_session(many[0]),
        lambda: storage.load_session(many[0].id),
        lambda: storage.load_session("missing"),
        lambda: storage.find_sessions_by_shop(SHOP),
        lambda: storage.delete_session(many[0].id),
        lambda: storage.delete_sessions(session.id for session in many),
    ):
        proxy.reset()
        await call()
        counts.append(proxy.round_trips)
    return counts


@pytest.mark.asyncio
async def test_every_operation_is_one_round_trip(database_url, proxy):
    async with MySQLSessionStorage(through(proxy, database_url), on_error="raise") as storage:
        assert await round_trips(storage, proxy) == [1] * 6
        assert proxy.connections == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(("autocommit", "expected"), [(True, 1), (False, 3)])
async def test_pool_of_the_user_takes_as_many_round_trips_as_documented(
    database_url, proxy, autocommit, expected
):
    options = mysql.options_of(through(proxy, database_url))
    async with aiomysql.create_pool(**options, autocommit=autocommit) as pool:
        storage = MySQLSessionStorage(pool, on_error="raise")
        await storage.ready()
        assert await round_trips(storage, proxy) == [expected] * 6


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
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
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


# --- what servers and pools may be set to ---------------------------------------------------------

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


async def need_mode(url: str, mode: str) -> None:
    """Skip what a mode of MariaDB would do on MySQL."""
    if mode in ("ORACLE", "EMPTY_STRING_IS_NULL"):
        ((version,),) = await query(url, "SELECT VERSION()")
        if "MariaDB" not in version:
            pytest.skip("MySQL has no such mode")


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
@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"charset": "latin1"}, "utf8mb4"),
        ({"charset": "gbk"}, "utf8mb4"),
        ({"init_command": "SET NAMES latin1"}, "utf8mb4"),
        ({"use_unicode": False}, "use_unicode"),
        ({"db": None}, "db="),
        ({"init_command": "SET sql_mode = 'EMPTY_STRING_IS_NULL'"}, "EMPTY_STRING_IS_NULL"),
    ],
)
async def test_unusable_pools_are_refused_with_a_hint(database_url, options, hint):
    if hint == "EMPTY_STRING_IS_NULL":
        await need_mode(database_url, hint)
    async with aiomysql.create_pool(**{**mysql.options_of(database_url), **options}) as pool:
        with pytest.raises(ValueError, match=hint):
            await MySQLSessionStorage(pool).ready()


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


# --- connections ----------------------------------------------------------------------------------


class TestPoolOfTheUser(SessionStorageBattery):
    lacks = frozenset({"another_loop"})

    @pytest.fixture(params=[True, False], ids=["autocommit", "transactions"])
    def autocommit(self, request):
        return request.param

    @pytest_asyncio.fixture
    async def storage(self, database_url, autocommit):
        options = mysql.options_of(database_url)
        async with aiomysql.create_pool(**options, autocommit=autocommit) as pool:
            yield MySQLSessionStorage(pool)
            async with pool.acquire() as connection:  # is left open
                assert connection.get_autocommit() is autocommit

    @pytest.fixture
    def storage_factory(self, database_url):
        return lambda: MySQLSessionStorage(database_url)

    @pytest.fixture
    def failing_storage_factory(self):
        async def make(on_error):
            pool = await aiomysql.create_pool(0, host="127.0.0.1", port=free_port(), user="u")
            return MySQLSessionStorage(pool, on_error=on_error)

        return make


@pytest.mark.asyncio
async def test_snapshot_left_open_on_the_users_pool_is_not_what_a_load_sees(database_url):
    options = mysql.options_of(database_url)
    async with (
        MySQLSessionStorage(database_url, on_error="raise") as writer,
        aiomysql.create_pool(**options, maxsize=1) as pool,
    ):
        storage = MySQLSessionStorage(pool, on_error="raise")
        session = offline_session(SHOP)
        await writer.store_session(session)
        for n in range(3):
            async with pool.acquire() as connection, connection.cursor() as cursor:
                await cursor.execute("SELECT * FROM shopify_sessions")  # begins a transaction
            session.access_token = f"newer{n}"
            await writer.store_session(session)
            assert session.equals(await storage.load_session(session.id))
            session.state = f"{n}"
            await storage.store_session(session)
            assert session.equals(await writer.load_session(session.id))


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [1, 2])
async def test_cancelled_call_leaves_its_place_in_the_users_pool(database_url, size):
    async with aiomysql.create_pool(
        **mysql.options_of(database_url), maxsize=size, autocommit=True
    ) as pool:
        storage = MySQLSessionStorage(pool, on_error="raise")
        session = offline_session(SHOP)
        await storage.store_session(session)
        for turn in range(20):
            tasks = [
                asyncio.ensure_future(call)
                for call in (
                    storage.load_session("a"),
                    storage.find_sessions_by_shop("a"),
                    storage.load_session("b"),
                    storage.find_sessions_by_shop("b"),
                )
            ]
            for _ in range(turn):
                await asyncio.sleep(0)
            for task in tasks[:3]:
                task.cancel()
            async with asyncio.timeout(5):
                assert await tasks[3] == []
                await asyncio.gather(*tasks, return_exceptions=True)
                assert session.equals(await storage.load_session(session.id))


@pytest.mark.asyncio
async def test_lost_connections_never_reach_the_caller(database_url, proxy):
    async with MySQLSessionStorage(through(proxy, database_url), on_error="raise") as storage:
        await bear_cuts(storage, proxy.cut)


@pytest.mark.asyncio
@pytest.mark.parametrize("users", [False, True])
async def test_connections_ended_by_the_server_never_reach_the_caller(database_url, users):
    async with asyncio_storage(database_url, users) as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        other = await aiomysql.connect(**mysql.options_of(database_url))
        for _ in range(5):
            await asyncio.gather(*(storage.find_sessions_by_shop(f"{n}") for n in range(5)))
            await other.query(
                "SELECT id FROM information_schema.processlist "
                "WHERE db = DATABASE() AND id <> CONNECTION_ID()"
            )
            for (number,) in other._result.rows:
                await other.query(f"KILL {number}")
            loads = [storage.load_session(session.id) for _ in range(20)]
            assert all(session.equals(loaded) for loaded in await asyncio.gather(*loads))
        await other.ensure_closed()


@asynccontextmanager
async def asyncio_storage(url: str, users: bool, **options):
    if users:
        options = {**mysql.options_of(url), **options}
        async with aiomysql.create_pool(**options, autocommit=True) as pool:
            yield MySQLSessionStorage(pool, on_error="raise")
    else:
        async with MySQLSessionStorage(url, pool_options=options, on_error="raise") as storage:
            yield storage


@pytest.mark.asyncio
@pytest.mark.parametrize("users", [False, True])
async def test_connections_idle_for_longer_than_wait_timeout_never_reach_the_caller(
    database_url, users
):
    command = "SET SESSION wait_timeout = 1"
    async with asyncio_storage(database_url, users, init_command=command) as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        await asyncio.gather(*(storage.find_sessions_by_shop(f"{n}") for n in range(5)))
        await asyncio.sleep(2)
        loads = [storage.load_session(session.id) for _ in range(20)]
        assert all(session.equals(loaded) for loaded in await asyncio.gather(*loads))
        assert await storage.store_session(session) is True


@pytest.mark.asyncio
async def test_idle_connections_are_closed_after_pool_recycle(database_url, proxy):
    async with MySQLSessionStorage(
        through(proxy, database_url), pool_options={"pool_recycle": 0.2}, on_error="raise"
    ) as storage:
        await asyncio.gather(*(storage.find_sessions_by_shop(f"{n}") for n in range(5)))
        proxy.reset()
        await storage.load_session("a")
        assert proxy.connections == 0
        await asyncio.sleep(0.3)
        await storage.load_session("a")
        assert proxy.connections == 1
        assert len(storage._pool._idle) == 1


@pytest.mark.asyncio
async def test_pool_never_has_more_connections_than_its_limit(database_url, proxy):
    async with MySQLSessionStorage(
        through(proxy, database_url), connection_pool_limit=2, on_error="raise"
    ) as storage:
        many = [online_session(SHOP, user) for user in range(20)]
        for _ in range(10):
            await asyncio.gather(
                *map(storage.store_session, many),
                *(storage.load_session(one.id) for one in many),
                *(storage.find_sessions_by_shop(SHOP) for _ in range(5)),
                storage.ready(),
            )
        assert proxy.connections == 2


@pytest.mark.asyncio
async def test_storage_survives_a_restart_of_the_server():
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        mysql.prepare(directory)
        server = mysql.serve(directory, free_port())
        url = await asyncio.to_thread(server.__enter__)
        async with MySQLSessionStorage(url, on_error="raise") as storage:
            many = [online_session(SHOP, user) for user in range(100)]
            await asyncio.gather(*map(storage.store_session, many))
            failures: list[Exception] = []
            loads = 0
            restarted = False

            async def caller(session: Session) -> None:
                nonlocal loads
                while not restarted:
                    try:
                        assert session.equals(await storage.load_session(session.id))
                        loads += 1
                    except SessionStorageUnavailableError as error:
                        failures.append(error)
                    await asyncio.sleep(0.01)

            callers = [asyncio.ensure_future(caller(session)) for session in many[:10]]
            await asyncio.sleep(0.1)
            await asyncio.to_thread(server.__exit__, None, None, None)
            server = mysql.serve(directory, urlsplit(url).port)
            await asyncio.to_thread(server.__enter__)
            await asyncio.sleep(0.1)
            restarted = True
            await asyncio.gather(*callers)
            assert loads
            # While there was no server, a second try could not help.
            assert {failure.__cause__.args[0] for failure in failures} <= {2003, 2013}
            # What was idle while the server restarted is of no use, and nobody notices.
            loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
            assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))
            assert await storage.store_session(many[0]) is True
        await asyncio.to_thread(server.__exit__, None, None, None)


@pytest.mark.asyncio
async def test_cancelled_calls_never_mix_up_answers(database_url):
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        await bear_cancellations(storage)


@pytest.mark.asyncio
@pytest.mark.parametrize("users", [False, True])
async def test_call_cancelled_at_any_step_leaves_no_answer_behind(database_url, users):
    async with asyncio_storage(database_url, users) as storage:
        many = [offline_session(f"{number}.example") for number in range(3)]
        await asyncio.gather(*map(storage.store_session, many))
        for steps in range(60):
            for seconds in (0, 0.0002):  # with and without time for the server to answer
                for call in (
                    storage.load_session(many[0].id),
                    storage.find_sessions_by_shop(many[0].shop),
                    storage.store_session(many[0]),
                    storage.delete_session("missing"),
                ):
                    task = asyncio.ensure_future(call)
                    for _ in range(steps // 2):
                        await asyncio.sleep(seconds)
                    task.cancel()
                    others = await asyncio.gather(
                        storage.load_session(many[1].id), storage.load_session(many[2].id)
                    )
                    await asyncio.wait([task])
                    assert many[1].equals(others[0])
                    assert many[2].equals(others[1])


@pytest.mark.asyncio
async def test_answer_that_cannot_be_decoded_leaves_nothing_behind(database_url, monkeypatch):
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        await storage._fetch("ALTER TABLE shopify_sessions MODIFY accessToken mediumblob", ())
        await storage._fetch("UPDATE shopify_sessions SET accessToken = X'ff'", ())
        with pytest.raises(CorruptSessionError):
            await storage.load_session(session.id)
        # Bytes that are no text in a row that would be followed by others.
        monkeypatch.setattr(
            aiomysql.connection.MySQLResult,
            "_read_row_from_packet",
            lambda self, packet: b"\xff".decode(),
        )
        assert len(storage._pool._idle) == 1
        with pytest.raises(UnicodeDecodeError):
            await storage.find_sessions_by_shop(SHOP)
        assert len(storage._pool._idle) == 0
        monkeypatch.undo()
        assert await storage.load_session("other") is None


def test_storage_follows_to_a_new_event_loop_without_disconnect(mysql_url):
    follow_to_a_new_loop(MySQLSessionStorage(mysql_url, on_error="raise"))


@pytest.mark.asyncio
async def test_unix_socket_is_used_without_tls():
    with mysql_with() as url:
        ((path,),) = await query(url, "SELECT @@socket")
        nowhere = url.replace("127.0.0.1", "no-such-host.invalid")
        async with MySQLSessionStorage(nowhere, pool_options={"unix_socket": path}) as storage:
            assert await storage.is_ready()
            assert await storage.store_session(offline_session(SHOP)) is True


# --- several writers ------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_processes_that_write_overlapping_groups_raise_nothing(database_url):
    source = """
    import asyncio, random, sys
    from shopify_session_storage import Session
    from shopify_session_storage_mysql import MySQLSessionStorage

    async def main():
        choose = random.Random(int(sys.argv[2]))
        async with MySQLSessionStorage(sys.argv[1], on_error="raise") as storage:
            for turn in range(30):
                ids = choose.sample(range(150), 60)
                await asyncio.gather(*(
                    storage.store_session(Session(
                        id=f"id{n}", shop=f"{turn}{choose.random()}", state="", is_online=False))
                    for n in ids
                ))
                if turn % 3 == 0:
                    await storage.delete_sessions(f"id{n}" for n in choose.sample(range(150), 50))

    asyncio.run(main())
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(source), database_url, str(n)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(4)
    ]
    for process in processes:
        _, errors = await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 0, errors


@pytest.mark.asyncio
async def test_deadlock_is_tried_again(database_url, monkeypatch):
    conflicts = []
    monkeypatch.setattr(ConflictError, "__init__", lambda self, *args: conflicts.append(args))
    async with (
        MySQLSessionStorage(database_url, on_error="raise") as storage,
        aiomysql.connect(**mysql.options_of(database_url)) as other,
    ):
        many = [online_session(SHOP, user) for user in range(50)]
        await storage._store(many)
        # The server ends the transaction that has changed less.
        update = "UPDATE shopify_sessions SET state = 'theirs' WHERE id = '{}'"
        for session in many[1:]:
            await other.query(update.format(session.id))
        for session in many[:2]:
            session.state = "ours"
        storing = asyncio.ensure_future(storage._store(many[:2]))
        waiting = "SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
        while not await query(database_url, waiting):
            await asyncio.sleep(0.05)
        await other.query(update.format(many[0].id))
        await other.commit()
        await storing
        assert [code for code, _ in conflicts] == [1213]
        assert (await storage.load_session(many[0].id)).state == "ours"
        assert (await storage.load_session(many[1].id)).state == "ours"


@pytest.mark.asyncio
async def test_lock_that_is_never_released_is_an_error_with_a_cause(database_url):
    async with (
        MySQLSessionStorage(
            database_url,
            pool_options={"init_command": "SET SESSION innodb_lock_wait_timeout = 1"},
            on_error="raise",
        ) as storage,
        aiomysql.connect(**mysql.options_of(database_url)) as other,
    ):
        session = offline_session(SHOP)
        await storage.store_session(session)
        await other.query("UPDATE shopify_sessions SET state = 'locked'")
        with pytest.raises(SessionStorageUnavailableError, match="1205"):
            await storage.store_session(session)
        await other.rollback()
        assert await storage.store_session(session) is True


# --- TLS ------------------------------------------------------------------------------------------


@contextmanager
def mysql_with(*settings: str):
    """Run a server of its own with *settings*."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        with mysql.local(directory, *settings) as url:
            yield url


@contextmanager
def tls_server(authority: trustme.CA):
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        certificate = authority.issue_cert("localhost")
        certificate.private_key_pem.write_to_path(directory / "server.key")
        certificate.cert_chain_pems[0].write_to_path(directory / "server.crt")
        authority.cert_pem.write_to_path(directory / "ca.crt")
        with mysql.local(
            directory,
            f"ssl-cert={directory / 'server.crt'}",
            f"ssl-key={directory / 'server.key'}",
            f"ssl-ca={directory / 'ca.crt'}",
        ) as url:
            yield url


@pytest.mark.asyncio
async def test_tls_is_as_the_url_says(tmp_path, mysql_url):
    authority, stranger = trustme.CA(), trustme.CA()
    ca = tmp_path / "ca & more.pem"
    authority.cert_pem.write_to_path(ca)
    stranger.cert_pem.write_to_path(tmp_path / "stranger.pem")
    client = authority.issue_cert("client")
    client.private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    with tls_server(authority) as url:

        async def connects(host: str, parameters: str, **options: object) -> bool:
            """Tell whether the connection is encrypted."""
            address = url.replace("127.0.0.1", host)
            async with MySQLSessionStorage(f"{address}?{parameters}", **options) as storage:
                rows = await storage._fetch("SHOW STATUS LIKE 'Ssl_cipher'", ())
                session = offline_session(SHOP)
                await storage.store_session(session)
                assert session.equals(await storage.load_session(session.id))
                return rows[0][1] != ""

        assert await connects("127.0.0.1", "") is True
        assert await connects("127.0.0.1", "ssl-mode=DISABLED") is False
        assert await connects("127.0.0.1", "ssl_mode=preferred") is True
        assert await connects("127.0.0.1", "sslMode=REQUIRED&charset=utf8mb4") is True
        trusted = f"ssl-ca={str(ca).replace('&', '%26').replace(' ', '%20')}"
        assert await connects("localhost", f"ssl-mode=VERIFY_IDENTITY&{trusted}") is True
        assert await connects("localhost", f"ssl-mode=verify-ca&{trusted}") is True
        assert await connects("127.0.0.1", trusted) is True
        context = ssl.create_default_context(cafile=ca)
        assert await connects("localhost", "", pool_options={"ssl": context}) is True
        assert await connects("localhost", "", pool_options={"ssl": None}) is False
        for host, parameters in (
            ("127.0.0.1", f"ssl-mode=VERIFY_IDENTITY&{trusted}"),
            ("localhost", f"ssl-mode=VERIFY_CA&ssl-ca={tmp_path}/stranger.pem"),
            ("localhost", "ssl-mode=VERIFY_CA"),
        ):
            with pytest.raises(
                SessionStorageUnavailableError, match="CERTIFICATE_VERIFY"
            ) as caught:
                await connects(host, parameters)
            assert isinstance(caught.value.__cause__.__cause__, ssl.SSLCertVerificationError)
        with pytest.raises(SessionStorageUnavailableError, match="FileNotFoundError"):
            await connects("localhost", "ssl-ca=/no/such/file")

        async with MySQLSessionStorage(url) as storage:
            await storage._fetch("CREATE USER certified IDENTIFIED BY 'c' REQUIRE X509", ())
            await storage._fetch("GRANT ALL ON *.* TO certified", ())
        certified = url.replace(urlsplit(url).netloc.rpartition("@")[0], "certified:c")
        async with MySQLSessionStorage(f"{certified}?ssl-cert={tmp_path}/client.pem") as storage:
            assert await storage.is_ready()
        assert await MySQLSessionStorage(certified).is_ready() is False


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY", "option"])
async def test_password_is_not_sent_to_a_server_without_tls(mode):
    class Listener(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport
            # The greeting of a server that offers no TLS and asks for the password in the clear.
            body = (
                b"\x0a8.0.0\0\1\0\0\0abcdefgh\0" + (0xF7FF).to_bytes(2, "little") + b"\x2d\2\0"
                + (0x0008).to_bytes(2, "little") + b"\x15" + bytes(10) + b"ijklmnopqrst\0"
                + b"mysql_clear_password\0"
            )  # fmt: skip
            transport.write(len(body).to_bytes(3, "little") + b"\0" + body)

        def data_received(self, data):
            received.append(data)
            self.transport.close()

    received: list[bytes] = []
    server = await asyncio.get_running_loop().create_server(Listener, "127.0.0.1", 0)
    url = f"mysql://user:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}/database"
    storage = (
        MySQLSessionStorage(url, pool_options={"ssl": ssl.create_default_context()})
        if mode == "option"
        else MySQLSessionStorage(f"{url}?ssl-mode={mode}")
    )
    with pytest.raises(SessionStorageUnavailableError, match="TLS is required"):
        await storage.ready()
    server.close()
    assert received == []


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_failures_to_connect_name_their_cause_and_no_password(mysql_url):
    parts = urlsplit(mysql_url)
    host, port = parts.hostname, parts.port
    make = MySQLSessionStorage.with_credentials
    user = mysql.options_of(mysql_url)["user"]
    for storage, code, hint in (
        (make(host, "none", user, PASSWORD, port=port), 1049, "none"),
        (make(host, "none", user, "secret-wrong", port=port), 1045, "Access denied"),
        (make(host, "none", USER, "secret", port=free_port()), 2003, "ConnectionRefusedError"),
        (make("no-such-host.invalid", "none", USER, "secret"), 2003, "no-such-host"),
    ):
        with pytest.raises(SessionStorageUnavailableError, match=hint) as caught:
            await storage.ready()
        assert isinstance(caught.value.__cause__, aiomysql.OperationalError)
        assert caught.value.__cause__.args[0] == code
        assert str(code) in str(caught.value)
        for text in (str(caught.value), repr(caught.value.__cause__), repr(storage)):
            assert "secret" not in text
            assert PASSWORD not in text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9\r\n", b"", b"\x05\0\0\0\x0ahel", b"-ERR\r\n"]
)
async def test_what_is_not_mysql_is_an_error_with_a_cause(answer):
    def serve(reader, writer) -> None:
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    storage = MySQLSessionStorage(f"mysql://u:secret@127.0.0.1:{port}/d")
    with pytest.raises(SessionStorageUnavailableError) as caught:
        await storage.ready()
    assert isinstance(caught.value.__cause__, aiomysql.MySQLError)
    server.close()


@pytest.mark.asyncio
async def test_server_that_never_answers_is_given_up():
    async def wait(reader, writer) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(wait, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    storage = MySQLSessionStorage(
        f"mysql://u@127.0.0.1:{port}/d", pool_options={"connect_timeout": 0.2}
    )
    with pytest.raises(SessionStorageUnavailableError, match=r"no answer within 0\.2 s"):
        await storage.ready()
    silent.close()


@pytest.mark.asyncio
async def test_passwords_and_names_may_have_any_characters(database_url):
    password = "pä ß€😀/@:?#%'\"\\"
    literal = password.replace("\\", "\\\\").replace("'", "''")
    name = f"üser {free_port()}"
    await run_sql(database_url, f"CREATE USER `{name}` IDENTIFIED BY '{literal}'")
    await run_sql(database_url, f"GRANT ALL ON *.* TO `{name}`")
    options = mysql.options_of(database_url)
    storage = MySQLSessionStorage.with_credentials(
        options["host"], options["db"], name, password, port=options["port"]
    )
    async with storage:
        assert await storage.is_ready()
    await run_sql(database_url, f"DROP USER `{name}`")


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("", ValueError),
        ("postgresql://user:secret@host/database", ValueError),
        ("mysql://user:secret@host:port/database", ValueError),
        ("mysql://user:secret@[host/database", ValueError),
        ("mysql://user:secret@host", ValueError),
        ("mysql://user:secret@host/", ValueError),
        ("mysql://host/database", ValueError),
        ("mysql://user:se#secret@host/database", ValueError),
        ("mysql://user:secret%ff@host/database", ValueError),
        ("mysql://user:secret@host/database?ssl-mode=secret", ValueError),
        ("mysql://user:secret@host/database?ssl-modus=REQUIRED", ValueError),
        ("mysql://user:secret@host/database?ssl=true", ValueError),
        (None, TypeError),
        (b"mysql://host", TypeError),
    ],
)
def test_unusable_urls_are_refused_without_showing_them(url, error):
    with pytest.raises(error) as caught:
        MySQLSessionStorage(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["quo`te", "quo'te", 'quo"te', "", "nul\0", "x" * 65])
def test_unusable_names_are_refused(name):
    with pytest.raises(ValueError, match="session_table_name"):
        MySQLSessionStorage("mysql://user@host/database", session_table_name=name)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"connection_pool_limit": 0}, ValueError),
        ({"connection_pool_limit": "10"}, TypeError),
        ({"connection_pool_limit": True}, TypeError),
        ({"pool_options": {"autocommit": False}}, ValueError),
        ({"pool_options": {"maxsize": 3}}, ValueError),
        ({"pool_options": {"ssl": True}}, TypeError),
        ({"session_table_name": 1}, TypeError),
        ({"on_error": "ignore"}, ValueError),
    ],
)
def test_unusable_options_are_refused(options, error):
    with pytest.raises(error):
        MySQLSessionStorage("mysql://user@host/database", **options)
    with pytest.raises(ValueError, match="TLS"):
        MySQLSessionStorage(
            "mysql://user@host/database?ssl-mode=REQUIRED",
            pool_options={"ssl": ssl.create_default_context()},
        )


@pytest.mark.asyncio
async def test_pool_options_are_for_our_own_pool():
    pool = await aiomysql.create_pool(0)
    with pytest.raises(ValueError, match="pool_options"):
        MySQLSessionStorage(pool, pool_options={})
    waiting = aiomysql.create_pool(0)
    with pytest.raises(TypeError, match="awaiting"):
        MySQLSessionStorage(waiting)
    waiting.close()


@pytest.mark.asyncio
async def test_bad_session_in_a_group_fails_only_its_own_caller(database_url, caplog):
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        await storage._fetch(
            "ALTER TABLE shopify_sessions ADD CHECK (accessToken <> 'shpat_refused')", ()
        )
        many = [online_session(SHOP, user) for user in range(20)]
        many[7].access_token = "shpat_refused"
        many[7].refresh_token = "shprt_refused"
        results = await asyncio.gather(*map(storage.store_session, many), return_exceptions=True)
        assert [result for result in results if result is not True] == [results[7]]
        error = results[7]
        assert type(error) is SessionStorageError
        assert isinstance(error.__cause__, aiomysql.DataError)
        assert "shpat" not in f"{error} {error.__cause__} {error.__cause__!r}"
        assert error.__cause__.__context__ is None
        assert len(await storage.find_sessions_by_shop(SHOP)) == 19
    with caplog.at_level(logging.DEBUG):
        async with MySQLSessionStorage(database_url) as storage:
            assert await storage.store_session(many[7]) is False
    assert "RefusedDataError (" in caplog.text
    assert "refused" not in caplog.text.replace("RefusedDataError", "")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "change",
    [
        "MODIFY accessToken int",
        "MODIFY accessToken varchar(5)",
        "MODIFY accessToken varchar(50) CHARACTER SET ascii",
        "MODIFY accessToken datetime",
        "ADD CHECK (accessToken = 'another')",
        "ADD FOREIGN KEY (shop) REFERENCES others (id)",
    ],
)
async def test_what_the_server_says_of_a_value_is_not_shown(database_url, change):
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        await storage._fetch("CREATE TABLE others LIKE shopify_sessions", ())
        await storage._fetch(f"ALTER TABLE shopify_sessions {change}", ())
        with pytest.raises(SessionStorageError) as caught:
            await storage.store_session(offline_session(SHOP, access_token="shpat_sécret"))
        cause = caught.value.__cause__
        assert "cret" not in f"{caught.value} {cause!r} {cause.__context__!r}"
        assert type(caught.value) is SessionStorageError


@pytest.mark.asyncio
async def test_unreadable_row_fails_only_its_own_callers(database_url):
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        good, bad = offline_session(SHOP), offline_session("bad.myshopify.com")
        await asyncio.gather(storage.store_session(good), storage.store_session(bad))
        await storage._fetch("UPDATE shopify_sessions SET expires = 1e17 WHERE id = %s", (bad.id,))
        results = await asyncio.gather(
            *(storage.load_session(one.id) for one in [good, bad, good, bad, good]),
            return_exceptions=True,
        )
        assert all(good.equals(result) for result in results[::2])
        assert all(isinstance(result, CorruptSessionError) for result in results[1::2])


# --- rights ---------------------------------------------------------------------------------------


async def limited_user(url: str, *grants: str) -> str:
    """Make a user with nothing but *grants*, and return the URL for it."""
    name = f"limited_{free_port()}"
    await run_sql(url, f"DROP USER IF EXISTS {name}; CREATE USER {name} IDENTIFIED BY 'limited'")
    for grant in grants:
        await run_sql(url, f"GRANT {grant} TO {name}")
    parts = urlsplit(url)
    return parts._replace(netloc=f"{name}:limited@{parts.hostname}:{parts.port}").geturl()


@pytest.mark.asyncio
async def test_user_without_the_right_to_create_is_told_the_sql_to_run(database_url):
    url = await limited_user(database_url, "SELECT ON *.*")
    with pytest.raises(MigrationError, match="may not create") as caught:
        await MySQLSessionStorage(url).ready()
    assert caught.value.__cause__.args[0] == 1142
    sql = await MySQLSessionStorage(url).migration_sql()
    assert sql in str(caught.value)

    await run_sql(database_url, sql)
    url = await limited_user(
        database_url,
        "SELECT, INSERT, UPDATE, DELETE ON shopify_sessions",
        "SELECT ON shopify_sessions_migrations",
        "SELECT, INSERT, UPDATE, DELETE ON shopify_sessions_leases",
    )
    async with MySQLSessionStorage(url, on_error="raise") as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        assert session.equals(await storage.load_session(session.id))
        assert await storage.migration_sql() == ""
    assert await MySQLSessionStorage(database_url).migration_sql() == ""


@pytest.mark.asyncio
async def test_migrated_database_is_opened_without_a_lock(database_url, monkeypatch):
    async with MySQLSessionStorage(database_url, on_error="raise"):
        pass
    async with MySQLSessionStorage(database_url, on_error="raise") as storage:
        monkeypatch.setattr(storage, "_migration_connection", None)
        await storage.disconnect()
        await storage.ready()


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
