"""Several writers of the same documents."""

import asyncio
import subprocess
import sys
import textwrap

import pytest
from shopify_session_storage.testing.sessions import online_session
from shopify_session_storage_mongodb import MongoDBSessionStorage

from .conftest import GOOD, SHOP, on_each_server

# Forks, since it takes a second to import the driver.
PROCESSES = """
    import asyncio, os, sys
    from datetime import timedelta
    from shopify_session_storage.testing.sessions import online_session
    from shopify_session_storage_mongodb import MongoDBSessionStorage

    async def main(url, collection, number):
        storage = MongoDBSessionStorage(
            url, session_collection_name=collection, on_error="raise", timeout=timedelta(seconds=60)
        )
        os.read(start, 1)
        async with storage:
            {work}

    start, starting = os.pipe()
    children = []
    for number in range(1, int(sys.argv[3]) + 1):
        children.append(os.fork())
        if not children[-1]:
            os.close(starting)
            asyncio.run(main(*sys.argv[1:3], number))
            os._exit(0)
    os.close(starting)  # all of them at once
    print([os.waitpid(child, 0)[1] for child in children])
"""


async def run_processes(count: int, work: str, url: str, collection: str) -> None:
    indented = textwrap.indent(textwrap.dedent(work), " " * 12).strip()
    source = textwrap.dedent(PROCESSES.replace("{work}", indented))
    command = [sys.executable, "-c", source, url, collection, str(count)]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == f"{[0] * count}\n", done.stderr


@on_each_server
@pytest.mark.asyncio
async def test_twenty_processes_start_at_once_on_duplicates(mongodb_url, collection, raw):
    raw.insert_many([{**GOOD, "accessToken": str(number)} for number in range(5)])
    work = 'await storage.store_session(online_session("shop", number))'
    await run_processes(20, work, mongodb_url, collection)
    assert raw.index_information()["id_1"]["unique"] is True
    assert raw.count_documents({"shop": "shop"}) == 20
    assert [one["accessToken"] for one in raw.find({"id": "it"})] == ["0"]


@on_each_server
@pytest.mark.asyncio
async def test_eight_processes_that_store_and_delete_lose_nothing(mongodb_url, collection, raw):
    work = f"""
        mine = [online_session("{SHOP}", number * 1000 + n) for n in range(8)]
        for n in range(8):
            await storage.store_session(mine[n])
            await storage.store_session(online_session("{SHOP}", n % 3))
            if n % 2:
                await storage.delete_session(mine[n].id)
                await storage.delete_session("{SHOP}_" + str(number % 3))
    """
    await run_processes(8, work, mongodb_url, collection)
    ids = [document["id"] for document in raw.find()]
    assert len(ids) == len(set(ids))
    own = {f"{SHOP}_{number * 1000 + n}" for number in range(1, 9) for n in range(0, 8, 2)}
    assert own <= set(ids) <= own | {f"{SHOP}_{n}" for n in range(3)}


@pytest.mark.asyncio
async def test_groups_that_race_for_new_ids_all_succeed(mongodb_url, collection, raw):
    storages = [
        MongoDBSessionStorage(mongodb_url, session_collection_name=collection, on_error="raise")
        for _ in range(6)
    ]
    for turn in range(10):
        many = [online_session(SHOP, turn * 100 + user) for user in range(20)]
        stores = [storage.store_session(one) for one in many for storage in storages]
        assert all(await asyncio.gather(*stores))
        assert raw.count_documents({}) == 20 * (turn + 1)
    for storage in storages:
        await storage.disconnect()
