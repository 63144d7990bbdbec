"""What is sent: statements, indexes, rows as documented."""

import asyncio
import json
import sqlite3

import pytest
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_sqlite import SQLiteSessionStorage

SHOP = "alpha.myshopify.com"


class Statements:
    """The SQL that a storage's connections execute."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def watch(self, storage: SQLiteSessionStorage) -> None:
        for connection in {storage._reader, storage._writer}:
            await connection.run(lambda raw: raw.set_trace_callback(self.seen.append))

    def taken(self) -> list[str]:
        seen = [sql.split()[0] for sql in self.seen]
        self.seen.clear()
        return seen


@pytest.mark.asyncio
async def test_every_operation_is_one_statement(tmp_path):
    async with SQLiteSessionStorage(tmp_path / "s.db", on_error="raise") as storage:
        statements = Statements()
        await statements.watch(storage)
        session = offline_session(SHOP)
        for call, expected in (
            (storage.store_session(session), "INSERT"),
            (storage.load_session(session.id), "SELECT"),
            (storage.find_sessions_by_shop(SHOP), "SELECT"),
            (storage.delete_session(session.id), "DELETE"),
            (storage.delete_sessions(f"id{number}" for number in range(300)), "DELETE"),
        ):
            await call
            assert statements.taken() == [expected]


@pytest.mark.asyncio
async def test_calls_that_wait_travel_in_one_statement(tmp_path):
    async with SQLiteSessionStorage(tmp_path / "s.db", on_error="raise") as storage:
        statements = Statements()
        await statements.watch(storage)
        sessions = [online_session(SHOP, user) for user in range(64)]
        await asyncio.gather(*map(storage.store_session, sessions))
        assert statements.taken() == ["INSERT", "INSERT"]
        await asyncio.gather(*(storage.load_session(session.id) for session in sessions))
        assert statements.taken() == ["SELECT", "SELECT"]


@pytest.mark.asyncio
async def test_load_find_and_delete_use_an_index(tmp_path):
    async with SQLiteSessionStorage(tmp_path / "s.db") as storage:
        for sql, parameters in (
            (
                storage._select + storage._is_one_of(storage._id, ["a", "b", "c"])[0],
                ["a", "b", "c"],
            ),
            (storage._select + storage._is_one_of(storage._shop, [SHOP])[0], [SHOP]),
            (storage._delete_from + storage._is_one_of(storage._id, ["a", "b"])[0], ["a", "b"]),
        ):
            plan = await storage._fetch(f"EXPLAIN QUERY PLAN {sql}", parameters)
            details = " ".join(row[3] for row in plan)
            assert "USING INDEX" in details
            assert "SCAN" not in details


@pytest.mark.asyncio
async def test_stored_row_is_laid_out_as_documented(tmp_path):
    path = tmp_path / "s.db"
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        await storage.store_session(online_session(SHOP, 5, access_token="token"))
    with sqlite3.connect(path) as other:
        other.row_factory = sqlite3.Row
        row = dict(other.execute("SELECT * FROM shopify_sessions").fetchone())
        names = [row[0] for row in other.execute("SELECT * FROM shopify_sessions_migrations")]
    other.close()
    assert row == json.loads(
        """{"id": "alpha.myshopify.com_5", "shop": "alpha.myshopify.com", "state": "",
        "isOnline": 1, "scope": "read_products", "expires": 1935817689, "accessToken": "token",
        "refreshToken": null, "refreshTokenExpires": null, "userId": 5, "firstName": "Ada",
        "lastName": "Lovelace", "email": "ada@shop.example", "locale": "en", "emailVerified": 1,
        "accountOwner": 0, "collaborator": 1}"""
    )
    assert sorted(names) == [
        "addRefreshTokenFields",
        "addUserInfoColumns",
        "migrateScopeFieldToVarchar1024",
        "python_upgrade_shopify_sessions",
    ]
