"""Processes that migrate one database at once, or die in it, harm neither it nor JavaScript."""

import asyncio
import subprocess
import sys
import textwrap

import aiomysql
import pytest
from servers.mysql import options_of
from shopify_session_storage import MigrationError
from shopify_session_storage_mysql import MySQLSessionStorage

from .conftest import run_sql
from .upgrading import CREATE_TODAYS, OLD, check_loads, check_upgraded, recreate, restore


def starting(url: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process that opens the database; with a number, it dies before that statement."""
    source = """
    import asyncio, os, signal, sys
    from shopify_session_storage_mysql import MySQLSessionStorage, statements

    url, left = sys.argv[1], [int(argument) for argument in sys.argv[2:]]
    run = statements.run

    async def counting(connection, sql):
        if left:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return await run(connection, sql)

    statements.run = counting

    async def main():
        async with MySQLSessionStorage(url, on_error="raise") as opened:
            await opened.find_sessions_by_shop("old-store.myshopify.com")

    asyncio.run(main())
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source), url, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("old", [None, *OLD])
async def test_twenty_processes_start_at_once(database_url, old):
    loads = await restore(database_url, old) if old else None
    for process in [starting(database_url) for _ in range(20)]:
        _, errors = process.communicate(timeout=100)
        assert process.returncode == 0, errors
    await check_upgraded(database_url)
    if loads:
        await check_loads(database_url, loads)


@pytest.mark.asyncio
@pytest.mark.parametrize("old", [None, "mysql_v1_0"])
async def test_process_killed_at_any_statement_leaves_what_the_next_start_completes(
    database_url, old
):
    survived = False
    for statement in range(60):
        await recreate(database_url)
        loads = await restore(database_url, old) if old else None
        process = starting(database_url, statement)
        _, errors = await asyncio.to_thread(process.communicate, timeout=60)
        survived = process.returncode == 0
        assert survived or process.returncode == -9, errors
        async with MySQLSessionStorage(database_url) as storage:
            await storage.ready()
        await check_upgraded(database_url)
        if loads:
            await check_loads(database_url, loads)
        if survived:
            break
    assert survived
    assert statement > 10


@pytest.mark.asyncio
async def test_tables_that_javascript_creates_at_the_same_moment_do_no_harm(database_url):
    record = "shopify_sessions_migrations (migration_name varchar(255) NOT NULL PRIMARY KEY)"

    async def javascript() -> None:
        connection = await aiomysql.connect(**options_of(database_url), autocommit=True)
        for sql in (CREATE_TODAYS, f"CREATE TABLE IF NOT EXISTS {record}"):
            await connection.query(sql)
        await connection.ensure_closed()

    for _ in range(10):
        await recreate(database_url)
        storages = [MySQLSessionStorage(database_url) for _ in range(3)]
        await asyncio.gather(javascript(), *(storage.ready() for storage in storages))
        await asyncio.gather(*(storage.disconnect() for storage in storages))
        await check_upgraded(database_url)


@pytest.mark.asyncio
async def test_only_one_process_migrates_a_table_at_a_time(database_url, monkeypatch):
    monkeypatch.setattr("shopify_session_storage_mysql.migrations._LOCK_SECONDS", 0)
    first = MySQLSessionStorage(database_url)
    await first._open_connections()
    async with first._migration_connection():
        with pytest.raises(MigrationError, match="another process"):
            await MySQLSessionStorage(database_url).ready()
        other = MySQLSessionStorage(database_url, session_table_name="others")
        await other.ready()
        await other.disconnect()
    await first._close()
    async with MySQLSessionStorage(database_url, on_error="raise"):
        pass
    await check_upgraded(database_url)


@pytest.mark.asyncio
async def test_record_that_javascript_writes_at_the_same_moment_does_no_harm(database_url):
    storage = MySQLSessionStorage(database_url)
    apply = storage._migrator

    def migrator(connection):
        one = apply(connection)
        save = one.save_applied_migration

        async def late(name: str) -> None:
            if name == "addRefreshTokenFields" and not done:
                done.append(name)
                await run_sql(
                    database_url,
                    f"INSERT INTO shopify_sessions_migrations VALUES ('{name}')",
                )
            await save(name)

        one.save_applied_migration = late
        return one

    done: list[str] = []
    storage._migrator = migrator
    await storage.ready()
    await storage.disconnect()
    assert done
    await check_upgraded(database_url)
