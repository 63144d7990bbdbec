"""A great many sessions in a table, of which every fifth one is dead."""

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import asyncpg
from servers import redis
from shopify_session_storage import dump_session_json, open_session_storage
from shopify_session_storage.testing.sessions import online_session

NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO, LATER = NOW - timedelta(days=9), NOW + timedelta(days=9)

# Every fifth one is dead. The dates are in seconds.
FILL = """
    INSERT INTO {table} (id, shop, state, "isOnline", scope, expires, "accessToken", "userId")
    SELECT 'shop-' || n || '.myshopify.com_1', 'shop-' || n || '.myshopify.com', '', {true},
           'read_products,write_orders', CASE WHEN n % 5 = 0 THEN {past} ELSE {later} END,
           'shpua_0123456789abcdef0123456789abcdef', 1
    FROM {numbers}
"""
NUMBERS = {
    "postgresql": "generate_series(1, {count}) AS numbers(n)",
    "sqlite": "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count})"
    " SELECT n FROM s)",
}


async def fill(backend, url, options, count):
    """Make a table with so many sessions, numbered from 1: each has a shop of its own."""
    async with open_session_storage(url, **options) as storage:
        if backend in NUMBERS:
            await _in_sql(backend, url, options.get("session_table_name"), count)
        elif backend == "redis":
            _in_redis(url, options["session_key_prefix"], count)
        else:
            for first in range(1, count + 1, 500):
                some = range(first, min(first + 500, count + 1))
                await asyncio.gather(*(storage.store_session(numbered(one)) for one in some))


def numbered(number):
    """Return one of the sessions, as it is at first."""
    expires = LONG_AGO if number % 5 == 0 else LATER
    return online_session(f"shop-{number}.myshopify.com", 1, expires=expires)


async def _in_sql(backend, url, table, count):
    sql = FILL.format(
        table=table or "shopify_sessions",
        true="true" if backend == "postgresql" else "1",
        past=int(LONG_AGO.timestamp()),
        later=int(LATER.timestamp()),
        numbers=NUMBERS[backend].format(count=count),
    )
    if backend == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.execute(sql)
            connection.commit()
        return
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.execute(f"VACUUM ANALYZE {table}")
    await connection.close()


def _in_redis(url, prefix, count):
    with redis.connect(url) as client:
        for first in range(1, count + 1, 1000):
            values = {}
            for one in map(numbered, range(first, min(first + 1000, count + 1))):
                values[f"{prefix}_{one.id}"] = dump_session_json(one)
                values[f"{prefix}_{one.shop}"] = json.dumps([f"{prefix}_{one.id}"])
            client.mset(values)
