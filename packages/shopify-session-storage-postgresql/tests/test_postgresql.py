"""What is particular to PostgreSQL: round trips, pools, poolers, TLS, errors."""

import asyncio
import logging
import ssl
import tempfile
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio
import trustme
from hypothesis import HealthCheck, given, settings
from servers import postgresql
from servers.breaking import breakable_server
from servers.discovery import PASSWORD, USER, free_port
from servers.disturbing import bear_cancellations, bear_cuts, follow_to_a_new_loop, travel_together
from servers.handful import Handful
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
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

from .conftest import through

SHOP = "alpha.myshopify.com"


@given(session=sessions())
@settings(
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.asyncio
async def test_what_is_stored_comes_back(postgresql_url, session: Session):
    async with PostgreSQLSessionStorage(postgresql_url, on_error="raise") as storage:
        await storage.store_session(session)
        assert session.equals(await storage.load_session(session.id))
        found = await storage.find_sessions_by_shop(session.shop)
        assert [session.id] == [one.id for one in found]


# --- round trips and load -------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_every_operation_is_one_round_trip(database_url, proxy):
    async with PostgreSQLSessionStorage(through(proxy, database_url), on_error="raise") as storage:
        many = [online_session(SHOP, user) for user in range(50)]

        async def every_operation() -> list[int]:
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

        await every_operation()  # statements are prepared once for each connection
        assert await every_operation() == [1] * 6
        assert proxy.connections == 0


@pytest.mark.asyncio
async def test_calls_that_wait_travel_in_few_round_trips(database_url, proxy):
    async with PostgreSQLSessionStorage(through(proxy, database_url), on_error="raise") as storage:
        await travel_together(storage, proxy)


@pytest.mark.asyncio
async def test_load_find_and_delete_use_an_index(database_url):
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await asyncio.gather(
            *(storage.store_session(offline_session(f"{n}.example")) for n in range(2000))
        )
        await storage._fetch("ANALYZE shopify_sessions", ())
        for sql, parameters in (
            (storage._select + storage._is_one_of(storage._id, ["a"])[0], ["a"]),
            (storage._select + storage._is_one_of(storage._id, ["a", "b"])[0], [["a", "b", "c"]]),
            (storage._select + storage._is_one_of(storage._shop, [SHOP])[0], [SHOP]),
            (storage._select + storage._is_one_of(storage._shop, [SHOP, "b"])[0], [[SHOP, "b"]]),
            (storage._delete_from + storage._is_one_of(storage._id, ["a", "b"])[0], [["a", "b"]]),
        ):
            plan = "\n".join(row[0] for row in await storage._fetch(f"EXPLAIN {sql}", parameters))
            assert "Index" in plan
            assert "Seq Scan" not in plan


@pytest.mark.asyncio
async def test_no_call_scans_the_table_however_small_it_is_when_the_plan_is_made(database_url):
    sessions = [online_session(SHOP, user) for user in range(30)]
    async with PostgreSQLSessionStorage(database_url):
        pass  # creates the table
    server = await asyncpg.connect(database_url)

    async def scans() -> int:
        # A connection's scans are counted before it disappears from the list.
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        while await server.fetchval(others) > 1:
            await asyncio.sleep(0.01)
        return await server.fetchval(
            "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'shopify_sessions'"
        )

    before = await scans()
    storage = PostgreSQLSessionStorage(database_url, pool_options={"max_size": 1}, on_error="raise")
    async with storage:
        for _ in range(8):  # after the fifth time the server keeps a plan
            await asyncio.gather(*map(storage.store_session, sessions))
            await asyncio.gather(*(storage.load_session(one.id) for one in sessions))
            await asyncio.gather(*(storage.find_sessions_by_shop(f"{n}") for n in range(10)))
            await storage.delete_sessions(one.id for one in sessions)
    assert await scans() == before
    await server.close()


@pytest.mark.asyncio
async def test_big_shops_many_ids_and_many_tasks(database_url):
    late = timedelta(minutes=2)  # on a busy machine
    async with PostgreSQLSessionStorage(database_url, on_error="raise", timeout=late) as storage:
        many = [online_session(SHOP, user) for user in range(10_000)]
        await asyncio.gather(*map(storage.store_session, many))
        assert len(await storage.find_sessions_by_shop(SHOP)) == 10_000

        async def task(number: int) -> None:
            for session in many[number::200]:
                assert session.equals(await storage.load_session(session.id))

        await asyncio.gather(*map(task, range(200)))
        assert storage._lender.pool.get_size() <= 10
        assert await storage.delete_sessions(session.id for session in many) is True
        assert await storage.find_sessions_by_shop(SHOP) == []


# --- connections ----------------------------------------------------------------------------------


class TestPoolOfTheUser(SessionStorageBattery):
    lacks = frozenset({"another_loop", "breakable"})

    @pytest_asyncio.fixture
    async def storage(self, database_url):
        async with asyncpg.create_pool(database_url, min_size=1) as pool:
            yield PostgreSQLSessionStorage(pool)
            assert await pool.fetchval("SELECT 1") == 1  # is left open

    @pytest.fixture
    def storage_factory(self, database_url):
        return lambda: PostgreSQLSessionStorage(database_url)

    @pytest.fixture
    def failing_storage_factory(self):
        return lambda on_error: PostgreSQLSessionStorage(
            asyncpg.create_pool(postgresql.url_of("127.0.0.1", free_port())), on_error=on_error
        )

    @pytest_asyncio.fixture
    async def breakable(self, database_url):
        def make(url, on_error):
            pools.append(asyncpg.create_pool(url, min_size=0))
            return PostgreSQLSessionStorage(pools[-1], on_error=on_error)

        pools = []
        async with breakable_server(database_url, make) as server:
            yield server
            for pool in pools:
                await pool.close()


@pytest.mark.asyncio
async def test_lost_connections_never_reach_the_caller(database_url, proxy):
    async with PostgreSQLSessionStorage(through(proxy, database_url), on_error="raise") as storage:
        await bear_cuts(storage, proxy.cut)


@pytest.mark.asyncio
async def test_connections_ended_by_the_server_never_reach_the_caller(database_url):
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        other = await asyncpg.connect(database_url)
        for _ in range(15):  # more often than the pool has connections
            await other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            loads = [storage.load_session(session.id) for _ in range(20)]
            assert all(session.equals(loaded) for loaded in await asyncio.gather(*loads))
        await other.close()


@pytest.mark.asyncio
async def test_storage_survives_a_restart_of_the_server():
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        with postgresql.local(directory) as url:
            async with PostgreSQLSessionStorage(url, on_error="raise") as storage:
                many = [online_session(SHOP, user) for user in range(100)]
                await asyncio.gather(*map(storage.store_session, many))
                failures: list[Exception] = []
                restarted = False

                async def caller(session: Session) -> None:
                    while not restarted:
                        try:
                            assert session.equals(await storage.load_session(session.id))
                        except SessionStorageUnavailableError as error:
                            failures.append(error)
                        await asyncio.sleep(0.01)

                callers = [asyncio.ensure_future(caller(session)) for session in many[:10]]
                await asyncio.to_thread(postgresql.restart, directory)
                restarted = True
                await asyncio.gather(*callers)
                # What was idle while the server restarted is of no use, and nobody notices.
                loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
                assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))
                assert await storage.store_session(many[0]) is True
            postgresql.stop(directory)


@pytest.mark.asyncio
async def test_cancelled_calls_never_mix_up_answers(database_url):
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await bear_cancellations(storage)


def test_storage_follows_to_a_new_event_loop_without_disconnect(postgresql_url):
    follow_to_a_new_loop(PostgreSQLSessionStorage(postgresql_url, on_error="raise"))


# --- behind PgBouncer -----------------------------------------------------------------------------


class TestBehindPgBouncer(SessionStorageBattery):
    lacks = frozenset({"breakable"})  # it is the pooler that would go away

    @pytest.fixture
    def storage_factory(self, pgbouncer_url):
        return lambda: PostgreSQLSessionStorage(pgbouncer_url)

    @pytest_asyncio.fixture
    async def storage(self, storage_factory):
        async with storage_factory() as storage:
            assert storage._behind_pooler
            yield storage

    @pytest.fixture
    def failing_storage_factory(self):
        return lambda on_error: PostgreSQLSessionStorage(
            postgresql.url_of("127.0.0.1", free_port()), on_error=on_error
        )

    @pytest_asyncio.fixture
    async def breakable(self, pgbouncer_url):
        def make(url, on_error):
            return PostgreSQLSessionStorage(url, on_error=on_error)

        async with breakable_server(pgbouncer_url, make) as server:
            yield server


class TestPoolOfTheUserBehindPgBouncer(Handful, TestBehindPgBouncer):
    lacks = frozenset({"another_loop"})

    @pytest_asyncio.fixture
    async def storage(self, pgbouncer_url):
        async with asyncpg.create_pool(pgbouncer_url, min_size=1) as pool:
            yield PostgreSQLSessionStorage(pool)


@pytest.mark.asyncio
async def test_many_clients_of_a_pooler_get_their_own_answers(pgbouncer_url):
    async def client(number: int) -> None:
        async with PostgreSQLSessionStorage(pgbouncer_url, on_error="raise") as storage:
            shop = f"pooled-{number}.myshopify.com"
            many = [online_session(shop, user) for user in range(20)]
            for _ in range(5):
                await asyncio.gather(*map(storage.store_session, many))
                loaded = await asyncio.gather(*(storage.load_session(one.id) for one in many))
                assert all(one.equals(other) for one, other in zip(many, loaded, strict=True))
                assert len(await storage.find_sessions_by_shop(shop)) == 20
            await storage.delete_sessions(one.id for one in many)

    await asyncio.gather(*map(client, range(12)))  # on four connections of the server


# --- TLS ------------------------------------------------------------------------------------------


@contextmanager
def tls_server(authority: trustme.CA):
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        certificate = authority.issue_cert("localhost")
        certificate.private_key_pem.write_to_path(directory / "server.key")
        certificate.cert_chain_pems[0].write_to_path(directory / "server.crt")
        (directory / "server.key").chmod(0o600)
        with postgresql.local(
            directory,
            "ssl=on",
            f"ssl_cert_file={directory / 'server.crt'}",
            f"ssl_key_file={directory / 'server.key'}",
        ) as url:
            yield url


@pytest.mark.asyncio
async def test_tls_is_as_the_url_says(tmp_path, postgresql_url):
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    stranger.cert_pem.write_to_path(tmp_path / "stranger.pem")
    with tls_server(authority) as url:

        async def connects(host: str, parameters: str) -> bool:
            """Tell whether the connection is encrypted."""
            address = url.replace("127.0.0.1", host)
            async with PostgreSQLSessionStorage(f"{address}?{parameters}") as storage:
                rows = await storage._fetch(
                    "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", ()
                )
                return rows[0][0]

        assert await connects("127.0.0.1", "sslmode=disable") is False
        assert await connects("127.0.0.1", "sslmode=require") is True
        trusted = f"sslrootcert={tmp_path / 'ca.pem'}"
        assert await connects("localhost", f"sslmode=verify-full&{trusted}") is True
        assert await connects("127.0.0.1", f"sslmode=verify-ca&{trusted}&schema=s") is True
        with pytest.raises(SessionStorageUnavailableError) as wrong_host:
            await connects("127.0.0.1", f"sslmode=verify-full&{trusted}")
        assert isinstance(wrong_host.value.__cause__, ssl.SSLCertVerificationError)
        with pytest.raises(SessionStorageUnavailableError) as wrong_authority:
            await connects("localhost", f"sslmode=verify-ca&sslrootcert={tmp_path}/stranger.pem")
        assert isinstance(wrong_authority.value.__cause__, ssl.SSLError)

    if urlsplit(postgresql_url).hostname == "127.0.0.1":  # our own server, which has no TLS
        with pytest.raises(SessionStorageUnavailableError):
            await PostgreSQLSessionStorage(f"{postgresql_url}?sslmode=require").ready()


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_failures_to_connect_name_their_cause_and_no_password(postgresql_url):
    parts = urlsplit(postgresql_url)
    host, port = parts.hostname, parts.port
    make = PostgreSQLSessionStorage.with_credentials
    for storage, cause in (
        (make(host, "none", USER, PASSWORD, port=port), asyncpg.InvalidCatalogNameError),
        (make(host, "none", USER, "secret-wrong", port=port), asyncpg.InvalidPasswordError),
        (make(host, "none", USER, "secret", port=free_port()), ConnectionRefusedError),
        (make("no-such-host.invalid", "none", USER, "secret"), OSError),
    ):
        with pytest.raises(SessionStorageUnavailableError) as caught:
            await storage.ready()
        assert isinstance(caught.value.__cause__, cause)
        assert type(caught.value.__cause__).__name__ in str(caught.value)
        for text in (str(caught.value), repr(caught.value.__cause__), repr(storage)):
            assert "secret" not in text
            assert PASSWORD not in text


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("", ValueError),
        ("mysql://user:secret@host/database", ValueError),
        ("postgresql://user:secret@host:port/database", ValueError),
        ("postgresql://user:secret@[host/database", ValueError),
        (None, TypeError),
        (b"postgresql://host", TypeError),
    ],
)
def test_unusable_urls_are_refused_without_showing_them(url, error):
    with pytest.raises(error) as caught:
        PostgreSQLSessionStorage(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ['quo"te', "quo'te", "", "nul\0", "x" * 64, "é" * 32])
def test_unusable_names_are_refused(name):
    for option in ("session_table_name", "schema"):
        with pytest.raises(ValueError, match=option):
            PostgreSQLSessionStorage("postgresql://host/database", **{option: name})


@pytest.mark.asyncio
async def test_pool_options_are_for_our_own_pool():
    with pytest.raises(ValueError, match="pool_options"):
        PostgreSQLSessionStorage(asyncpg.create_pool("postgresql://h/d"), pool_options={})


@pytest.mark.asyncio
async def test_bad_session_in_a_group_fails_only_its_own_caller(database_url, caplog):
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await storage._fetch(
            "ALTER TABLE shopify_sessions ADD CHECK (\"accessToken\" <> 'shpat_refused')", ()
        )
        many = [online_session(SHOP, user) for user in range(20)]
        many[7].access_token = "shpat_refused"
        many[7].refresh_token = "shprt_refused"
        results = await asyncio.gather(*map(storage.store_session, many), return_exceptions=True)
        assert [result for result in results if result is not True] == [results[7]]
        error = results[7]
        assert type(error) is SessionStorageError
        assert isinstance(error.__cause__, asyncpg.CheckViolationError)
        shown = f"{error} {error.__cause__} {error.__cause__!r} {error.__cause__.as_dict()}"
        assert "shpat" not in shown + repr(vars(error.__cause__))
        assert len(await storage.find_sessions_by_shop(SHOP)) == 19
    with caplog.at_level(logging.DEBUG, "shopify_session_storage"):
        async with PostgreSQLSessionStorage(database_url) as storage:
            assert await storage.store_session(many[7]) is False
    assert "CheckViolationError (23514)" in caplog.text
    assert "refused" not in caplog.text


@pytest.mark.asyncio
async def test_unreadable_row_fails_only_its_own_callers(database_url):
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        good, bad = offline_session(SHOP), offline_session("bad.myshopify.com")
        await asyncio.gather(storage.store_session(good), storage.store_session(bad))
        await storage._fetch("UPDATE shopify_sessions SET expires = 1e17 WHERE id = $1", (bad.id,))
        results = await asyncio.gather(
            *(storage.load_session(one.id) for one in [good, bad, good, bad, good]),
            return_exceptions=True,
        )
        assert all(good.equals(result) for result in results[::2])
        assert all(isinstance(result, CorruptSessionError) for result in results[1::2])


# --- rights and schemas ---------------------------------------------------------------------------


async def limited_user(url: str, *grants: str) -> str:
    """Make a user with nothing but *grants*, and return the URL for it."""
    name = f"limited_{free_port()}"
    connection = await asyncpg.connect(url)
    database = await connection.fetchval("SELECT quote_ident(current_database())")
    await connection.execute(
        f"DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN PASSWORD 'limited'; "
        f"REVOKE CREATE ON SCHEMA public FROM public; "
        f"GRANT CONNECT ON DATABASE {database} TO {name}"
    )
    for grant in grants:
        await connection.execute(f"GRANT {grant} TO {name}")
    await connection.close()
    parts = urlsplit(url)
    return parts._replace(netloc=f"{name}:limited@{parts.hostname}:{parts.port}").geturl()


@pytest.mark.asyncio
async def test_user_without_the_right_to_create_is_told_the_sql_to_run(database_url):
    url = await limited_user(database_url)
    with pytest.raises(MigrationError, match="may not create") as caught:
        await PostgreSQLSessionStorage(url).ready()
    assert isinstance(caught.value.__cause__, asyncpg.InsufficientPrivilegeError)
    sql = await PostgreSQLSessionStorage(url).migration_sql()
    assert sql in str(caught.value)

    owner = await asyncpg.connect(database_url)
    await owner.execute(sql)
    await owner.close()
    url = await limited_user(
        database_url,
        "SELECT, INSERT, UPDATE, DELETE ON shopify_sessions",
        "SELECT ON shopify_sessions_migrations",
    )
    async with PostgreSQLSessionStorage(url, on_error="raise") as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        assert session.equals(await storage.load_session(session.id))
        assert await storage.migration_sql() == ""
    assert await PostgreSQLSessionStorage(database_url).migration_sql() == ""


@pytest.mark.asyncio
@pytest.mark.parametrize("by", ["option", "url"])
async def test_schema_is_created_and_public_is_not_touched(database_url, by):
    name = "My Schema; --"
    storage = (
        PostgreSQLSessionStorage(database_url, schema=name, on_error="raise")
        if by == "option"
        else open_session_storage(f"{database_url}?schema=My%20Schema%3B%20--", on_error="raise")
    )
    async with storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        assert session.equals(await storage.load_session(session.id))
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(
        "SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname !~ '^(pg_|information)'"
    )
    await connection.close()
    assert [row[0] for row in rows] == [name]


@pytest.mark.asyncio
async def test_stored_row_is_laid_out_as_documented(database_url):
    async with PostgreSQLSessionStorage(database_url, on_error="raise") as storage:
        await storage.store_session(offline_session(SHOP, access_token="t", refresh_token="r"))
    connection = await asyncpg.connect(database_url)
    row = dict(await connection.fetchrow("SELECT * FROM shopify_sessions"))
    names = await connection.fetch("SELECT migration_name FROM shopify_sessions_migrations")
    await connection.close()
    assert row.pop("expires") == 1935817689  # seconds
    assert row.pop("refreshTokenExpires") == 1943578921000  # milliseconds
    assert {name: value for name, value in row.items() if value is not None} == {
        "id": "offline_alpha.myshopify.com",
        "shop": SHOP,
        "state": "nonce",
        "isOnline": False,
        "scope": "read_products,write_orders",
        "accessToken": "t",
        "refreshToken": "r",
    }
    assert sorted(row[0] for row in names) == [
        "addUserInfoColumns",
        "migrateScopeFieldToVarchar1024",
        "migrateToCaseSensitivity",
        "migrateToRefreshTokens",
        "python_upgrade_shopify_sessions",
    ]
