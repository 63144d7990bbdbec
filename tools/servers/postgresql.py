"""PostgreSQL servers, and PgBouncer in front of them."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from servers.discovery import (
    DATABASE,
    PASSWORD,
    USER,
    Server,
    accepts,
    free_port,
    need,
    program,
    running,
    wait_until,
)

IMAGE = "postgres:17"
PROGRAMS = ("initdb", "postgres", "pg_isready", "createdb")
DEBIAN_PACKAGES = ("postgresql",)
# In a new database, of which it knows nothing yet, it would compile most of our questions.
_SETTINGS = ("max_connections=300", "fsync=off", "jit=off")


def url_of(host: str, port: int, database: str = DATABASE) -> str:
    """Return the URL of a database of the test server."""
    login = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}"
    return f"postgresql://{login}@{host}:{port}/{quote(database, safe='')}"


def with_database(url: str, database: str) -> str:
    """Return *url* with another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(database, safe='')}"))


def account() -> str | None:
    """Return the account to run under: PostgreSQL and PgBouncer refuse to run as root."""
    return "postgres" if os.name == "posix" and os.geteuid() == 0 else None


def own(directory: Path) -> None:
    """Give *directory* to that account."""
    user = account()
    if user is not None:
        for path in [directory, *directory.rglob("*")]:
            shutil.chown(path, user)


@contextmanager
def container() -> Iterator[str]:
    """Run PostgreSQL in Docker."""
    from testcontainers.core.container import DockerContainer

    # Not testcontainers' own class for PostgreSQL: it does not quote the name of the database.
    server = DockerContainer(IMAGE, command=f"postgres -c {' -c '.join(_SETTINGS)}")
    server.with_env("POSTGRES_USER", USER).with_env("POSTGRES_PASSWORD", PASSWORD)
    server.with_env("POSTGRES_DB", DATABASE).with_exposed_ports(5432)
    with server:
        url = url_of(server.get_container_host_ip(), int(server.get_exposed_port(5432)))
        wait_until(lambda: asyncio.run(_connects(url)), IMAGE)
        yield url


async def _connects(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


@contextmanager
def local(directory: Path, *settings: str) -> Iterator[str]:
    """Run PostgreSQL from local binaries, with further settings such as ``ssl=on``."""
    need(PROGRAMS, DEBIAN_PACKAGES)
    initdb, postgres = program("initdb"), program("postgres")
    assert initdb is not None
    assert postgres is not None
    password_file = directory / "password"
    password_file.write_text(PASSWORD)
    data = directory / "data"
    own(directory)
    subprocess.run(
        [initdb, "--pgdata", data, "--username", USER, "--pwfile", password_file, "--encoding=UTF8",
         "--locale=C.UTF-8", "--auth=scram-sha-256", "--no-sync"],
        check=True, capture_output=True, user=account(), cwd=directory,
    )  # fmt: skip
    port = free_port()
    options = ["listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={directory}",
               *_SETTINGS, *settings]  # fmt: skip
    command = [postgres, "-D", str(data), *(word for option in options for word in ("-c", option))]
    with running(command, directory=directory, answers=lambda: _answers(port), user=account()):
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        createdb = program("createdb")
        assert createdb is not None
        subprocess.run(
            [createdb, "--host=127.0.0.1", f"--port={port}", f"--username={USER}", DATABASE],
            check=True, capture_output=True, env=environment,
        )  # fmt: skip
        yield url_of("127.0.0.1", port)


def _answers(port: int) -> bool:
    ready = program("pg_isready")
    assert ready is not None
    command = [ready, "--host=127.0.0.1", f"--port={port}", "--quiet"]
    return subprocess.run(command, capture_output=True).returncode == 0


def restart(directory: Path) -> None:
    """Restart the server that :func:`local` runs in *directory*; the new one is :func:`stop`'s."""
    _control(directory, "restart")


def stop(directory: Path) -> None:
    """Stop a server that has been restarted."""
    _control(directory, "stop")


def _control(directory: Path, action: str) -> None:
    pg_ctl = program("pg_ctl")
    assert pg_ctl is not None
    command = [pg_ctl, action, "--pgdata", str(directory / "data"), "--mode=fast", "--wait",
               "--silent", "--log", str(directory / "restarted.log")]  # fmt: skip
    subprocess.run(command, check=True, cwd=directory, user=account())


POSTGRESQL = Server(
    name="postgresql",
    variable="SHOPIFY_SESSION_STORAGE_POSTGRESQL_URL",
    container=container,
    local=local,
    programs=PROGRAMS,
    debian_packages=DEBIAN_PACKAGES,
)


@contextmanager
def pgbouncer(directory: Path, url: str) -> Iterator[str]:
    """Run PgBouncer in transaction mode in front of the server at *url*, and give its URL."""
    need(["pgbouncer"], ["pgbouncer"])
    parts = urlsplit(url)
    binary = program("pgbouncer")
    assert binary is not None
    port = free_port()
    users = directory / "users.txt"
    escaped = PASSWORD.replace('"', '""')
    users.write_text(f'"{USER}" "{escaped}"\n')
    settings = directory / "pgbouncer.ini"
    settings.write_text(
        f"""[databases]
* = host={parts.hostname} port={parts.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = 4
max_client_conn = 300
"""
    )
    own(directory)
    with running(
        [binary, str(settings)],
        directory=directory,
        answers=lambda: accepts(port),
        user=account(),
    ):
        yield urlunsplit(
            parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}")
        )
