"""DynamoDB deletes by itself what is dead: the attribute that says when, the table's setting."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from shopify_session_storage.testing.sessions import offline_session, online_session

pytestmark = pytest.mark.asyncio
GRACE = timedelta(seconds=1)
NOW = datetime.now(UTC).replace(microsecond=0)
PAST, LATER = NOW - timedelta(days=3), NOW + timedelta(days=3)


async def test_each_write_says_when(make, raw, table):
    dead = offline_session("a.myshopify.com", expires=PAST, refresh_token_expires=PAST)
    alive = replace(dead, access_token="new", refresh_token_expires=LATER)
    forever = replace(alive, access_token="newer", refresh_token_expires=None)

    async def ttl():
        answer = await raw.get_item(TableName=table, Key={"id": {"S": dead.id}})
        return int(answer["Item"]["ttl"]["N"]) if "ttl" in answer["Item"] else None

    later = (LATER + GRACE).timestamp()
    async with make(expire_dead=GRACE) as expiring, make() as plain:
        assert await expiring.compare_and_store(dead, None)
        assert NOW.timestamp() <= await ttl() <= datetime.now(UTC).timestamp() + 2
        assert await expiring.compare_and_store(alive, dead)
        assert await ttl() == later
        assert (await plain.load_session(dead.id)).equals(alive)
        assert await expiring.store_session(forever)
        assert await ttl() is None
        others = [online_session("b.myshopify.com", user, expires=LATER) for user in range(3)]
        await asyncio.gather(*map(expiring.store_session, [alive, *others]))
        assert await ttl() == later
        assert await plain.store_session(alive)
        assert await ttl() is None


async def test_a_table_that_is_made_is_told_to(make, raw, table):
    async with make(expire_dead=GRACE):
        described = await raw.describe_time_to_live(TableName=table)
    found = described["TimeToLiveDescription"]
    assert found["AttributeName"] == "ttl"
    assert found["TimeToLiveStatus"] in ("ENABLING", "ENABLED")


async def test_a_table_that_was_not_told_to_is_named(make, table, caplog):
    async with make():
        pass
    async with make(expire_dead=GRACE, create_table=False):
        pass
    assert f"update-time-to-live --table-name {table}" in caplog.text


async def test_the_server_deletes_the_dead_alone(make, times):
    dead = online_session("a.myshopify.com", 1, expires=PAST)
    alive = online_session("a.myshopify.com", 2, expires=LATER)
    async with make(expire_dead=GRACE) as storage:
        await asyncio.gather(*map(storage.store_session, [dead, alive]))
        for _ in range(30):
            if await storage.load_session(dead.id) is None:
                break
            await asyncio.sleep(1)
        assert await storage.load_session(dead.id) is None
        assert await storage.load_session(alive.id) is not None
