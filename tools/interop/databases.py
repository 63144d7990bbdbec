"""An SQL database of its own, for as long as a test lasts."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import servers.mysql
import servers.postgresql


@dataclass(frozen=True)
class Database:
    """An empty database.

    Attributes:
        url: As ours take it.
        javascript_url: As JavaScript takes it: without parameters.
        run: Runs statements in it.
    """

    url: str
    javascript_url: str
    run: Callable[[str], Awaitable[None]]


@asynccontextmanager
async def sqlite(_: str, directory: Path) -> AsyncIterator[Database]:
    """Name a file in *directory*."""
    import sqlite3

    file = directory / f"{uuid4().hex}.db"

    async def run(sql: str) -> None:
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(sql)

    yield Database(f"sqlite:///{file.as_posix()}", f"file:{file.as_posix()}", run)


@asynccontextmanager
async def postgresql(server_url: str, _: Path) -> AsyncIterator[Database]:
    """Create a database on a server."""
    import asyncpg

    async def run(sql: str, where: str) -> None:
        connection = await asyncpg.connect(where)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    name = f"interop_{uuid4().hex}"
    url = servers.postgresql.with_database(server_url, name)
    await run(f'CREATE DATABASE "{name}"', server_url)
    try:
        yield Database(url, _bare(url), lambda sql: run(sql, url))
    finally:
        await run(f'DROP DATABASE "{name}" WITH (FORCE)', server_url)


@asynccontextmanager
async def mysql(server_url: str, _: Path) -> AsyncIterator[Database]:
    """Create a database on a server."""
    import aiomysql
    from aiomysql.connection import CLIENT

    async def run(sql: str, where: str) -> None:
        connection = await aiomysql.connect(
            **servers.mysql.options_of(where), autocommit=True, client_flag=CLIENT.MULTI_STATEMENTS
        )
        try:
            await connection.query(sql)
            while connection._result.has_next:
                await connection.next_result()
        finally:
            await connection.ensure_closed()

    name = f"interop_{uuid4().hex}"
    url = servers.mysql.with_database(server_url, name)
    await run(f"CREATE DATABASE `{name}`", server_url)
    try:
        yield Database(url, _bare(url), lambda sql: run(sql, url))
    finally:
        await run(f"DROP DATABASE `{name}`", server_url)


def _bare(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(query=""))


DATABASES: dict[str, Callable[[str, Path], AbstractAsyncContextManager[Database]]] = {
    "sqlite": sqlite,
    "postgresql": postgresql,
    "mysql": mysql,
}
