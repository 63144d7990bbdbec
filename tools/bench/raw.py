"""The bare drivers, each with its own defaults and the least code that an operation needs.

They answer with what the driver gives, without making a Session of it; the stored layout is the
same. What they leave out is said where it is.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from shopify_session_storage import Session
from shopify_session_storage.stored import COLUMNS

POOL_SIZE = 10  # of asyncpg and aiomysql by default, as of the official adapters


def _row(session: Session, refresh_unit: int) -> list[Any]:
    pairs: dict[str, Any] = dict(session.to_property_array(return_user_data=True))
    if "expires" in pairs:
        pairs["expires"] //= 1000
    if "refreshTokenExpires" in pairs:
        pairs["refreshTokenExpires"] //= refresh_unit
    return [pairs.get(column) for column in COLUMNS]


def _statements(quote: str, mark: str, upsert: str, inserted: str) -> tuple[str, str]:
    names = [f"{quote}{column}{quote}" for column in COLUMNS]
    marks = [mark.format(number) for number in range(1, len(names) + 1)]
    updates = ", ".join(f"{name} = {inserted.format(name)}" for name in names[1:])
    select = f"SELECT {', '.join(names)} FROM shopify_sessions"
    insert = f"INSERT INTO shopify_sessions ({', '.join(names)}) VALUES ({', '.join(marks)})"
    return select, f"{insert} {upsert} {updates}"


@asynccontextmanager
async def sqlite(database: str) -> AsyncIterator[Any]:
    """Open SQLite: one connection of aiosqlite, in autocommit mode.

    The commit of one task would otherwise be the commit of whatever others have begun. A read is
    one hop to aiosqlite's thread.
    """
    import aiosqlite

    select, upsert = _statements('"', "?", 'ON CONFLICT ("id") DO UPDATE SET', "excluded.{}")

    class Raw:
        async def store(self, session: Session) -> None:
            await connection.execute(upsert, _row(session, 1000))

        async def store_many(self, sessions: Sequence[Session]) -> None:
            await connection.execute("BEGIN")
            await connection.executemany(upsert, [_row(session, 1000) for session in sessions])
            await connection.commit()

        async def load(self, id: str) -> Any:
            return await connection.execute_fetchall(f'{select} WHERE "id" = ?', (id,))

        async def find(self, shop: str) -> Any:
            return await connection.execute_fetchall(f'{select} WHERE "shop" = ?', (shop,))

        async def delete(self, id: str) -> None:
            await connection.execute('DELETE FROM shopify_sessions WHERE "id" = ?', (id,))

        async def delete_many(self, ids: Sequence[str]) -> None:
            marks = ", ".join("?" * len(ids))
            await connection.execute(f'DELETE FROM shopify_sessions WHERE "id" IN ({marks})', ids)

    async with aiosqlite.connect(database, isolation_level=None) as connection:
        yield Raw()


@asynccontextmanager
async def postgresql(url: str, **options: Any) -> AsyncIterator[Any]:
    """Open PostgreSQL: a pool of asyncpg, with further options."""
    import asyncpg

    select, upsert = _statements('"', "${}", 'ON CONFLICT ("id") DO UPDATE SET', "excluded.{}")

    class Raw:
        async def store(self, session: Session) -> None:
            await pool.execute(upsert, *_row(session, 1))

        async def store_many(self, sessions: Sequence[Session]) -> None:
            await pool.executemany(upsert, [_row(session, 1) for session in sessions])

        async def load(self, id: str) -> Any:
            return await pool.fetchrow(f'{select} WHERE "id" = $1', id)

        async def find(self, shop: str) -> Any:
            return await pool.fetch(f'{select} WHERE "shop" = $1', shop)

        async def delete(self, id: str) -> None:
            await pool.execute('DELETE FROM shopify_sessions WHERE "id" = $1', id)

        async def delete_many(self, ids: Sequence[str]) -> None:
            await pool.execute('DELETE FROM shopify_sessions WHERE "id" = ANY($1)', ids)

        async def settle(self) -> None:
            await pool.execute("ANALYZE shopify_sessions")

    async with asyncpg.create_pool(url, **options) as pool:
        yield Raw()


@asynccontextmanager
async def mysql(url: str) -> AsyncIterator[Any]:
    """Open MySQL: a pool of aiomysql."""
    import aiomysql
    from servers.mysql import options_of

    select, upsert = _statements("`", "%s", "ON DUPLICATE KEY UPDATE", "VALUES({})")

    class Raw:
        async def _execute(self, sql: str, parameters: Sequence[Any]) -> Any:
            async with pool.acquire() as connection, connection.cursor() as cursor:
                await cursor.execute(sql, parameters)
                return cursor

        async def store(self, session: Session) -> None:
            await self._execute(upsert, _row(session, 1000))

        async def store_many(self, sessions: Sequence[Session]) -> None:
            insert = upsert.partition(" ON DUPLICATE")[0].replace("INSERT", "REPLACE", 1)
            async with pool.acquire() as connection, connection.cursor() as cursor:
                await cursor.executemany(insert, [_row(session, 1000) for session in sessions])

        async def load(self, id: str) -> Any:
            return await (await self._execute(f"{select} WHERE `id` = %s", (id,))).fetchone()

        async def find(self, shop: str) -> Any:
            return await (await self._execute(f"{select} WHERE `shop` = %s", (shop,))).fetchall()

        async def delete(self, id: str) -> None:
            await self._execute("DELETE FROM shopify_sessions WHERE `id` = %s", (id,))

        async def delete_many(self, ids: Sequence[str]) -> None:
            marks = ", ".join(["%s"] * len(ids))
            await self._execute(f"DELETE FROM shopify_sessions WHERE `id` IN ({marks})", ids)

    async with aiomysql.create_pool(**options_of(url), maxsize=POOL_SIZE, autocommit=True) as pool:
        yield Raw()


@asynccontextmanager
async def redis(url: str, prefix: str) -> AsyncIterator[Any]:
    """Open Redis: the steps of the official adapter, which loses changes of lists to races.

    Where all connections are in use a call waits, rather than fail.
    """
    from redis.asyncio import BlockingConnectionPool, Redis

    class Raw:
        async def store(self, session: Session) -> None:
            pairs = json.dumps(session.to_property_array(return_user_data=True))
            key = f"{prefix}_{session.id}"
            await client.set(key, pairs)
            keys = await self._list(session.shop)
            if key not in keys:
                await client.set(f"{prefix}_{session.shop}", json.dumps([*keys, key]))

        async def _list(self, shop: str) -> list[str]:
            keys: list[str] = json.loads(await client.get(f"{prefix}_{shop}") or b"[]")
            return keys

        async def load(self, id: str) -> Any:
            text = await client.get(f"{prefix}_{id}")
            return None if text is None else json.loads(text)

        async def find(self, shop: str) -> Any:
            keys = await self._list(shop)
            return [json.loads(text) for text in await client.mget(keys) if text]

        async def delete(self, id: str) -> None:
            pairs = await self.load(id)
            if pairs is not None:
                shop = dict(pairs)["shop"]
                key = f"{prefix}_{id}"
                await client.delete(key)
                keys = [each for each in await self._list(shop) if each != key]
                await client.set(f"{prefix}_{shop}", json.dumps(keys))

        async def delete_many(self, ids: Sequence[str]) -> None:
            for id in ids:
                await self.delete(id)

    pool = BlockingConnectionPool.from_url(url, timeout=None)
    async with Redis.from_pool(pool) as client:
        yield Raw()


@asynccontextmanager
async def mongodb(url: str, database: str) -> AsyncIterator[Any]:
    """Open MongoDB: motor's client."""
    from motor.motor_asyncio import AsyncIOMotorClient

    class Raw:
        async def store(self, session: Session) -> None:
            document = session.to_dict()
            await collection.replace_one({"id": session.id}, document, upsert=True)

        async def store_many(self, sessions: Sequence[Session]) -> None:
            await collection.insert_many([session.to_dict() for session in sessions])

        async def load(self, id: str) -> Any:
            return await collection.find_one({"id": id})

        async def find(self, shop: str) -> Any:
            return await collection.find({"shop": shop}).to_list(None)

        async def delete(self, id: str) -> None:
            await collection.delete_one({"id": id})

        async def delete_many(self, ids: Sequence[str]) -> None:
            await collection.delete_many({"id": {"$in": ids}})

    client: Any = AsyncIOMotorClient(url)
    collection = client[database]["shopify_sessions"]
    try:
        yield Raw()
    finally:
        client.close()


@asynccontextmanager
async def dynamodb(endpoint: str, region: str, table: str) -> AsyncIterator[Any]:
    """Open DynamoDB: aioboto3's client. A find asks for one page of the index."""
    import aioboto3
    from shopify_session_storage_dynamodb.items import item_of, key_of

    class Raw:
        async def store(self, session: Session) -> None:
            await client.put_item(TableName=table, Item=item_of(session))

        async def load(self, id: str) -> Any:
            return await client.get_item(TableName=table, Key=key_of(id), ConsistentRead=True)

        async def find(self, shop: str) -> Any:
            page = await client.query(
                TableName=table,
                IndexName="shop_index",
                KeyConditionExpression="shop = :shop",
                ExpressionAttributeValues={":shop": {"S": shop}},
                ProjectionExpression="id",
            )
            keys = {"Keys": page["Items"], "ConsistentRead": True}
            return await client.batch_get_item(RequestItems={table: keys})

        async def delete(self, id: str) -> None:
            await client.delete_item(TableName=table, Key=key_of(id))

        async def delete_many(self, ids: Sequence[str]) -> None:
            requests = [{"DeleteRequest": {"Key": key_of(id)}} for id in ids]
            await client.batch_write_item(RequestItems={table: requests})

    session = aioboto3.Session("local", "local", region_name=region)
    async with session.client("dynamodb", endpoint_url=endpoint) as client:
        yield Raw()


@asynccontextmanager
async def kv_style(url: str, token: str) -> AsyncIterator[Any]:
    """Open Workers KV: httpx's client. Stores and deletes leave out the lists of shops."""
    import httpx

    def at(key: str) -> str:
        return f"{url}/values/{quote(key, safe='')}"

    class Raw:
        async def store(self, session: Session) -> None:
            pairs = json.dumps(session.to_property_array(return_user_data=True))
            (await client.put(at(session.id), content=pairs)).raise_for_status()

        async def load(self, id: str) -> Any:
            answer = await client.get(at(id))
            return answer.json() if answer.is_success else None

        async def find(self, shop: str) -> Any:
            return [await self.load(id) for id in await self.load(f"shop:{shop}") or ()]

        async def delete(self, id: str) -> None:
            (await client.delete(at(id))).raise_for_status()

        async def delete_many(self, ids: Sequence[str]) -> None:
            for id in ids:
                await self.delete(id)

    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
        yield Raw()
