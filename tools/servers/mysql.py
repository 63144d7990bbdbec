"""MySQL servers in Docker, and MariaDB servers from local binaries."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import aiomysql

from servers.discovery import (
    DATABASE,
    PASSWORD,
    USER,
    Server,
    built,
    free_port,
    need,
    program,
    run_to_end,
    running,
    wait_until,
)

IMAGE = "mysql:8.4"
PROGRAMS = ("mariadbd", "mariadb-install-db")
DEBIAN_PACKAGES = ("mariadb-server",)
_SOURCES = Path(__file__).parent / "go_mysql_server"


def url_of(host: str, port: int, database: str = DATABASE, user: str = USER) -> str:
    """Return the URL of a database of the test server."""
    login = f"{quote(user, safe='')}:{quote(PASSWORD, safe='')}"
    return f"mysql://{login}@{host}:{port}/{quote(database, safe='')}"


def with_database(url: str, database: str) -> str:
    """Return *url* with another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(database, safe='')}"))


def options_of(url: str) -> dict[str, Any]:
    """Return the options of ``aiomysql.connect()`` for *url*."""
    parts = urlsplit(url)
    return {
        "host": parts.hostname,
        "port": parts.port,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "db": unquote(parts.path[1:]),
    }


@contextmanager
def container() -> Iterator[str]:
    """Run MySQL in Docker."""
    from testcontainers.core.container import DockerContainer

    # Not testcontainers' own class for MySQL: it does not quote what goes into the URL.
    server = DockerContainer(IMAGE, command="mysqld --max-connections=300")
    server.with_env("MYSQL_ROOT_PASSWORD", PASSWORD).with_env("MYSQL_DATABASE", DATABASE)
    server.with_exposed_ports(3306)
    with server:
        host, port = server.get_container_host_ip(), int(server.get_exposed_port(3306))
        url = url_of(host, port, user="root")
        wait_until(lambda: asyncio.run(_connects(url)), IMAGE)
        yield url


async def _connects(url: str) -> bool:
    try:
        connection = await aiomysql.connect(**options_of(url), connect_timeout=5)
    except (OSError, aiomysql.MySQLError):
        return False
    await connection.ensure_closed()
    return True


@contextmanager
def local(directory: Path, *settings: str) -> Iterator[str]:
    """Run MariaDB from local binaries, with further settings such as ``ssl-cert=...``."""
    prepare(directory)
    with serve(directory, free_port(), *settings) as url:
        yield url


def prepare(directory: Path) -> None:
    """Make the data of a server in *directory*."""
    need(PROGRAMS, DEBIAN_PACKAGES)
    install = program("mariadb-install-db")
    assert install is not None
    (directory / "users.sql").write_text(
        f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n"
        f"GRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n"
        f"CREATE DATABASE `{DATABASE}`;\n"
    )
    # A server that starts deletes temporary tables, another server's too where they share a place.
    (directory / "tmp").mkdir()
    own(directory)
    subprocess.run(
        [install, "--no-defaults", f"--datadir={directory / 'data'}",
         f"--tmpdir={directory / 'tmp'}", "--skip-test-db",
         "--auth-root-authentication-method=normal"],
        check=True, capture_output=True, user=account(), cwd=directory,
    )  # fmt: skip


@contextmanager
def serve(directory: Path, port: int, *settings: str) -> Iterator[str]:
    """Run the server whose data is in *directory*."""
    mariadbd = program("mariadbd")
    assert mariadbd is not None
    first = directory / "users.sql"
    options = [f"datadir={directory / 'data'}", f"port={port}", "bind-address=127.0.0.1",
               f"socket={directory / 'socket'}", f"pid-file={directory / 'pid'}",
               f"tmpdir={directory / 'tmp'}",
               "max-connections=300", "innodb-buffer-pool-size=1G",
               "innodb-flush-log-at-trx-commit=2", "innodb-doublewrite=OFF",
               *settings]  # fmt: skip
    if first.exists():
        options.append(f"init-file={first}")
    command = [mariadbd, "--no-defaults", *(f"--{option}" for option in options)]
    with running(command, directory=directory, answers=lambda: _greets(port), user=account()):
        first.unlink(missing_ok=True)
        yield url_of("127.0.0.1", port)


def _greets(port: int) -> bool:
    """Tell whether a server says hello; it takes connections somewhat earlier."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as probe:
            return probe.recv(5)[4:] == b"\x0a"  # the version of the protocol
    except OSError:
        return False


@contextmanager
def another(directory: Path) -> Iterator[str]:
    """Run go-mysql-server, an engine of its own that answers as MySQL 8 does, in memory.

    It knows neither users nor locks on rows, and nothing of how MySQL alters a table online.
    """
    port = free_port()
    command = [str(another_binary()), "-address", f"127.0.0.1:{port}", "-database", DATABASE]
    with running(command, directory=directory, answers=lambda: _greets(port)):
        yield url_of("127.0.0.1", port, user="root").replace(quote(PASSWORD, safe=""), "", 1)


def another_binary() -> Path:
    """Return go-mysql-server, built once.

    Raises:
        NoServerError: If Go is missing, or fails.
    """
    need(("go",), ())
    sources = [_SOURCES / name for name in ("go.mod", "go.sum", "main.go")]
    return built("go-mysql-server", sources, _build) / "go-mysql-server"


def _build(place: Path) -> None:
    go = program("go")
    assert go is not None
    binary = str(place / "go-mysql-server")
    run_to_end(go, "build", "-buildvcs=false", "-o", binary, directory=_SOURCES)


def account() -> str | None:
    """Return the account to run under: the server refuses to run as root."""
    return "mysql" if os.name == "posix" and os.geteuid() == 0 else None


def own(directory: Path) -> None:
    """Give *directory* to that account."""
    user = account()
    if user is not None:
        for path in [directory, *directory.rglob("*")]:
            shutil.chown(path, user)


MYSQL = Server(
    name="mysql",
    variable="SHOPIFY_SESSION_STORAGE_MYSQL_URL",
    container=container,
    local=local,
    programs=PROGRAMS,
    debian_packages=DEBIAN_PACKAGES,
)
