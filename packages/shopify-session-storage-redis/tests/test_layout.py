"""Sessions and the lists of shops as they stand in Redis, and what else is found there."""

import asyncio
import json
import random

import pytest
from hypothesis import given
from redis.asyncio import Redis
from servers.coming_back import comes_back, some_examples
from shopify_session_storage import (
    CorruptSessionError,
    Session,
    SessionStorageError,
    SessionStorageUnavailableError,
    dump_session_json,
)
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage.testing.strategies import sessions
from shopify_session_storage_redis import RedisSessionStorage

from .conftest import raw_of

SHOP = "alpha.myshopify.com"


@given(session=sessions())
@some_examples
@pytest.mark.asyncio
async def test_what_is_stored_comes_back(redis_url, session: Session):
    async with RedisSessionStorage(redis_url, on_error="raise") as storage:
        await comes_back(storage, session)
        await storage.delete_session(session.id)
        assert await storage.find_sessions_by_shop(session.shop) == []


@pytest.mark.asyncio
async def test_keys_are_laid_out_as_documented(storage, raw, prefix):
    first = offline_session("é.example", access_token='a"/\u2028\x7f', refresh_token="")
    first.expires = first.expires.replace(microsecond=123_456)
    second = online_session("é.example", 7, id='"odd\\/', online_access_info=None, scope=None)
    await storage.store_session(first)
    await storage.store_session(second)
    assert await raw.get(f"{prefix}_offline_é.example") == (
        '[["id","offline_é.example"],["shop","é.example"],["state","nonce"],["isOnline",false],'
        '["scope","read_products,write_orders"],["expires",1935817689123],'
        '["accessToken","a\\"/\u2028\x7f"],["refreshToken",""],'
        '["refreshTokenExpires",1943578921000]]'
    )
    both = f'["{prefix}_offline_é.example","{prefix}_\\"odd\\\\/"]'.replace("?\\ ", "?\\\\ ")
    assert await raw.get(f"{prefix}_é.example") == both
    assert await raw.get(f"{prefix}_migrations") == '{"migrateToVersion1_0_1":true}'
    await storage.delete_sessions([first.id, second.id])
    assert await raw.get(f"{prefix}_é.example") == "[]"
    assert sorted(await keys_of(raw, prefix)) == [f"{prefix}_migrations", f"{prefix}_é.example"]


async def keys_of(raw: Redis, prefix: str) -> list[str]:
    return [key async for key in raw.scan_iter(count=1000) if key.startswith(prefix)]


@pytest.mark.asyncio
async def test_store_removes_a_time_to_live(storage, raw, prefix):
    session = offline_session(SHOP)
    await storage.store_session(session)
    await raw.expire(f"{prefix}_{session.id}", 100)
    await raw.expire(f"{prefix}_{SHOP}", 100)
    await storage.store_session(session)
    await storage.store_session(online_session(SHOP))
    assert await raw.ttl(f"{prefix}_{session.id}") == -1
    assert await raw.ttl(f"{prefix}_{SHOP}") == -1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "text",
    [
        '[["id","{id}"],["shop","s"],["state",""],["isOnline",true],["userId",7]]',
        '[["id","{id}"],["shop","s"],["state",""],["isOnline",true],["onlineAccessInfo",7]]',
        '[ ["\\u0069d" , "{id}" ],\n["SHOP","s"],["state",""],["isOnline","TRUE"],["userId","7."]]',
        # Of two entries the last one counts.
        '[["id","{id}"],["shop","x"],["state",""],["isOnline",true],["userId",7],["sHop","s"]]',
        '[["id","{id}"],["shop","x"],["state",""],["isOnline",true],["userId",7],["\\u0073hop","s"]]',
    ],
)
async def test_every_spelling_of_a_session_is_read(storage, raw, prefix, text):
    text = text.replace("]]", '],["expires",1795264496123.0]]').replace("{id}", "it")
    await raw.set(f"{prefix}_it", text)
    await raw.set(f"{prefix}_s", f"[ {json.dumps(f'{prefix}_it')} ]")
    loaded = await storage.load_session("it")
    assert loaded.online_access_info.associated_user.id == 7
    assert round(loaded.expires.timestamp() * 1000) == 1795264496123
    assert (await storage.find_sessions_by_shop("s"))[0].equals(loaded)
    assert await storage.delete_session("it") is True
    assert json.loads(await raw.get(f"{prefix}_s")) == []


LISTS = [
    "[]",
    " [ ] ",
    '["{p}a"]',
    '["{p}a","{p}b","{p}c"]',
    ' [ "{p}a" ,\n "{p}b" , "{p}c" ] ',
    '["{p}\\u0061","{p}c"]',
    '["{p}x\\"{p}a"]',
    '["{p}a\\\\","{p}\\\\","{p}b"]',
    '["{p}a","{p}b","{p}a"]',
    '["other","","{p}q/é","{p}q\\/é"]',
]


@pytest.mark.asyncio
@pytest.mark.parametrize("prefix", ["p", ",", '"', "\\", "é"])
@pytest.mark.parametrize("before", LISTS)
async def test_any_list_is_changed_as_its_json_says(redis_url, raw, prefix, before):
    prefix = f"{prefix} {random.random()}"
    spelled = json.dumps(f"{prefix}_")[1:-1]
    before = before.replace("{p}", spelled)
    names = json.loads(before)
    async with RedisSessionStorage(
        redis_url, session_key_prefix=prefix, on_error="raise"
    ) as storage:
        for id in ("a", "b", "c", "\\", "a\\", "q/é", f'x"{prefix}_a', "new"):
            name = f"{prefix}_{id}"
            await raw.set(f"{prefix}_s", before)
            await storage.store_session(offline_session("s", id=id))
            expected = names if name in names else [*names, name]
            assert json.loads(await raw.get(f"{prefix}_s")) == expected
            assert id in [one.id for one in await storage.find_sessions_by_shop("s")]
            await storage.delete_session(id)
            left = [one for one in names if one != name]
            assert json.loads(await raw.get(f"{prefix}_s")) == left
        await raw.set(f"{prefix}_s", before)
        ids = ["a", "c", "\\", "new"]
        await asyncio.gather(*(storage.store_session(offline_session("s", id=id)) for id in ids))
        await storage.delete_sessions(ids)
        left = [one for one in names if one not in {f"{prefix}_{id}" for id in ids}]
        assert json.loads(await raw.get(f"{prefix}_s")) == left


@pytest.mark.parametrize("later", ['["SHOP","b"]', '["\\u0073hop","b"]'])
@pytest.mark.asyncio
async def test_a_session_that_names_another_shop_later_is_taken_off_the_list_of_that(
    storage, raw, prefix, later
):
    session = offline_session("a")
    key = f"{prefix}_{session.id}"
    await raw.set(key, f"{dump_session_json(session)[:-1]},{later}]")
    for shop in ("a", "b"):
        await raw.set(f"{prefix}_{shop}", json.dumps([key], ensure_ascii=False))
    assert await storage.store_session(session) is True
    assert json.loads(await raw.get(f"{prefix}_a")) == [key]
    assert json.loads(await raw.get(f"{prefix}_b")) == []


@pytest.mark.asyncio
async def test_find_drops_what_dangles_in_a_list(storage, raw, prefix):
    session = offline_session(SHOP)
    elsewhere = offline_session("beta.myshopify.com")
    await storage.store_session(session)
    await storage.store_session(elsewhere)
    key = f"{prefix}_{session.id}"
    await raw.set(f"{prefix}2_x", await raw.get(key))
    await raw.set(f"{prefix}_2_x", await raw.get(key))  # of a storage with a longer prefix
    names = [f"{prefix}_gone", key, key, f"{prefix}_{elsewhere.id}", f"{prefix}_{SHOP}",
             f"{prefix}2_x", f"{prefix}_2_x", session.id, "", f"{prefix}_migrations "]  # fmt: skip
    await raw.set(f"{prefix}_{SHOP}", json.dumps(names))
    found = await storage.find_sessions_by_shop(SHOP)
    assert [one.id for one in found] == [session.id]


@pytest.mark.asyncio
async def test_session_and_list_never_overwrite_each_other(any_url, prefix):
    async with RedisSessionStorage(any_url, session_key_prefix=prefix, on_error="raise") as storage:
        await storage.store_session(offline_session(SHOP))
        clash = offline_session("beta.myshopify.com", id=SHOP)
        assert await storage.load_session(SHOP) is None
        with pytest.raises(SessionStorageError, match="holds the list of a shop") as caught:
            await storage.store_session(clash)
        assert not isinstance(caught.value, SessionStorageUnavailableError)
        assert await storage.delete_session(SHOP) is True
        assert len(await storage.find_sessions_by_shop(SHOP)) == 1
        assert await storage.find_sessions_by_shop("beta.myshopify.com") == []

        named = offline_session("gamma.myshopify.com", id="delta.myshopify.com")
        await storage.store_session(named)
        with pytest.raises(SessionStorageError, match="holds a session"):
            await storage.store_session(offline_session("delta.myshopify.com"))
        assert named.equals(await storage.load_session(named.id))
        assert await storage.find_sessions_by_shop("delta.myshopify.com") == []
        # In one group, too, and then nobody else's store fails.
        many = [offline_session(f"{n}.example") for n in range(20)]
        many[7] = offline_session("7.example", id="8.example")
        results = await asyncio.gather(*map(storage.store_session, many), return_exceptions=True)
        failed = [result for result in results if result is not True]
        assert len(failed) <= 1
        assert all(isinstance(error, SessionStorageError) for error in failed)
        with raw_of(any_url) as raw:
            text = raw.get(f"{prefix}_8.example")
            assert text.startswith("[[") if results[7] is True else text.startswith('["')


@pytest.mark.asyncio
async def test_what_is_not_ours_is_left_alone(any_url, prefix):
    with raw_of(any_url) as raw:
        async with RedisSessionStorage(
            any_url, session_key_prefix=prefix, on_error="raise"
        ) as storage:
            raw.hset(f"{prefix}_hash", "a", "b")
            session = offline_session("hash")
            with pytest.raises(SessionStorageError, match="not ours"):
                await storage.store_session(session)
            with pytest.raises(CorruptSessionError, match="list of shop 'hash'"):
                await storage.find_sessions_by_shop("hash")
            with pytest.raises(SessionStorageError, match="not ours"):
                await storage.store_session(offline_session(SHOP, id="hash"))
            assert await storage.load_session("hash") is None
            assert await storage.delete_session("hash") is True
            good = offline_session(SHOP)
            ids = ["hash", good.id, "missing"]
            results = await asyncio.gather(
                storage.store_session(good), *map(storage.load_session, ids)
            )
            assert results[0] is True
            assert raw.hgetall(f"{prefix}_hash") == {"a": "b"}
            raw.set(f"{prefix}_text", "something")
            with pytest.raises(CorruptSessionError):
                await storage.find_sessions_by_shop("text")
            shops = ["nobody", "no one", SHOP, "hash", "nobody else"]  # the last three together
            found = await asyncio.gather(
                *map(storage.find_sessions_by_shop, shops), return_exceptions=True
            )
            assert isinstance(found.pop(3), CorruptSessionError)
            assert [[one.id for one in sessions] for sessions in found] == [[], [], [good.id], []]


@pytest.mark.asyncio
async def test_odd_entries_of_a_list_do_no_harm(any_url, prefix):
    async with RedisSessionStorage(any_url, session_key_prefix=prefix, on_error="raise") as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        with raw_of(any_url) as raw:
            odd = [f"{prefix}_\ud800", "\ud800", f"{prefix}_", f"{prefix}_{session.id}", "x"]
            raw.set(f"{prefix}_{SHOP}", json.dumps(odd))
            assert [one.id for one in await storage.find_sessions_by_shop(SHOP)] == [session.id]
            await storage.store_session(online_session(SHOP))
            assert len(await storage.find_sessions_by_shop(SHOP)) == 2
            await storage.delete_session(session.id)
            assert len(await storage.find_sessions_by_shop(SHOP)) == 1
            for bad in ("[", '["a"', '["a",["b"]]', '["a",7]'):
                raw.set(f"{prefix}_{SHOP}", bad)
                with pytest.raises(CorruptSessionError, match="list of shop"):
                    await storage.find_sessions_by_shop(SHOP)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "text",
    ["", "shpat_secret", '{"accessToken":"shpat_secret"}', '[["accessToken","shpat_secret"]]',
     '[["id","it"],["accessToken","shpat_secret"]', "[" * 100_000, "1" * 5000,
     '[["id","b"],["shop","s"],["state",""],["isOnline",false],["accessToken","shpat_secret"]]'],
)  # fmt: skip
async def test_unreadable_session_is_told_without_its_text(
    storage, redis_url, raw, prefix, text, caplog
):
    await raw.set(f"{prefix}_it", text)
    with pytest.raises(CorruptSessionError) as caught:
        await storage.load_session("it")
    assert "'it'" in str(caught.value)
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__} {caught.value.__context__}"
    good = offline_session(SHOP)
    await storage.store_session(good)
    results = await asyncio.gather(
        *map(storage.load_session, [good.id, "it", good.id, "missing"]), return_exceptions=True
    )
    assert good.equals(results[0])
    assert isinstance(results[1], CorruptSessionError)
    assert good.equals(results[2])
    assert results[3] is None
    async with RedisSessionStorage(redis_url, session_key_prefix=prefix) as logging_storage:
        assert await logging_storage.load_session("it") is None
    assert "secret" not in caplog.text
    assert "cannot be read" in caplog.text
    await storage.store_session(offline_session(SHOP, id="it"))  # replaces it
    assert await storage.delete_session("it") is True


@pytest.mark.asyncio
async def test_what_was_read_as_one_session_is_no_other_with_the_same_bytes(storage, raw, prefix):
    session = offline_session(SHOP)
    await storage.store_session(session)
    assert session.equals(await storage.load_session(session.id))
    await raw.set(f"{prefix}_it", await raw.get(f"{prefix}_{session.id}"))
    with pytest.raises(CorruptSessionError, match="another id"):
        await storage.load_session("it")
    assert session.equals(await storage.load_session(session.id))
