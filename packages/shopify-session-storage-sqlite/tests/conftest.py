"""Databases of their own for tests, and what other programs do with them."""

import sqlite3
from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path):
    """Return where a database is made."""
    return tmp_path / "sessions.db"


def assert_writable(path):
    """See that another program is not locked out."""
    other = sqlite3.connect(path, timeout=0.2, isolation_level=None)
    other.execute("CREATE TABLE IF NOT EXISTS mine (x)")
    other.execute("INSERT INTO mine VALUES (1)")
    other.close()


def query(path: Path, sql: str) -> list[tuple]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()
