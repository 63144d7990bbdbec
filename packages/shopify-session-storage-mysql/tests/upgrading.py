"""Databases that the official adapter made, and what shows that they are upgraded."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import golden
from shopify_session_storage_mysql import MySQLSessionStorage

from .conftest import query, run_sql

DATA = Path(__file__).parent / "data"
OLD = ["mysql_v1_0", "mysql_v5"]
JAVASCRIPT_NAMES = {
    "migrateScopeFieldToVarchar1024",
    "addRefreshTokenFields",
    "addUserInfoColumns",
}
TODAYS_COLUMNS = """
    id varchar(255) NOT NULL PRIMARY KEY, shop varchar(255) NOT NULL, state varchar(255) NOT NULL,
    isOnline tinyint NOT NULL, scope varchar(1024), expires int, accessToken varchar(255),
    refreshToken varchar(255), refreshTokenExpires int, userId bigint, firstName varchar(255),
    lastName varchar(255), email varchar(255), accountOwner tinyint, locale varchar(255),
    collaborator tinyint, emailVerified tinyint
"""
CREATE_TODAYS = f"CREATE TABLE IF NOT EXISTS shopify_sessions ({TODAYS_COLUMNS})"


async def recreate(url: str) -> None:
    name = unquote(urlsplit(url).path[1:])
    await run_sql(url, f"DROP DATABASE `{name}`; CREATE DATABASE `{name}`")


async def restore(url: str, name: str) -> dict:
    """Restore a database of an old release, and return what JavaScript loads from it."""
    await run_sql(url, (DATA / "old_schemas" / f"{name}.sql").read_text())
    return golden.load(DATA / "old_schemas" / f"{name}_after_js.json")["loads"]


async def check_loads(url: str, expected: dict, table: str = "shopify_sessions") -> None:
    """Compare all that the storage loads and finds with what JavaScript does."""
    async with MySQLSessionStorage(url, session_table_name=table, on_error="raise") as storage:
        await golden.assert_loads(storage, expected)


async def check_upgraded(url: str, table: str = "shopify_sessions") -> None:
    rows = await query(url, f"SHOW FULL COLUMNS FROM `{table}`")
    columns = {row[0]: (re.match(r"\w+", row[1])[0], row[2]) for row in rows}
    assert "onlineAccessInfo" not in columns
    assert len(columns) == 17
    for name in ("id", "shop"):
        assert columns[name] in (("varchar", "utf8mb4_nopad_bin"), ("varchar", "utf8mb4_0900_bin"))
    for name in ("state", "scope", "accessToken", "refreshToken", "email"):
        assert columns[name][0] == "mediumtext"
        assert columns[name][1].startswith("utf8mb4")
    for name in ("expires", "refreshTokenExpires", "userId"):
        assert columns[name][0] == "bigint"
    names = [name for (name,) in await query(url, "SELECT * FROM shopify_sessions_migrations")]
    assert len(names) == len(set(names))
    assert set(names) > JAVASCRIPT_NAMES
    indexes = [row[2:5] for row in await query(url, f"SHOW INDEX FROM `{table}`")]
    assert set(indexes) == {("PRIMARY", 1, "id"), (f"{table}_shop_index", 1, "shop")}
