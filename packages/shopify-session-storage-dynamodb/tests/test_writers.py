"""Several writers of the same items."""

import asyncio
import subprocess
import sys
import textwrap

import pytest

from .conftest import SHOP

# Forks, since it takes seconds to import the AWS SDK.
WRITERS = """
    import asyncio, os, sys
    from datetime import timedelta
    from shopify_session_storage.testing.sessions import online_session
    from shopify_session_storage_dynamodb import DynamoDBSessionStorage

    async def write(url, table, shop, number):
        storages = [
            DynamoDBSessionStorage(
                session_table_name=table, create_table=True, on_error="raise",
                timeout=timedelta(seconds=60),
                client_options=dict(endpoint_url=url, region_name="eu-west-1",
                                    aws_access_key_id="tester", aws_secret_access_key="sekret"),
            )
            for _ in range(3)
        ]
        await asyncio.gather(*(storage.ready() for storage in storages))
        mine = [online_session(shop, number * 1000 + n) for n in range(25)]
        shared = [online_session(shop, n) for n in range(10)]

        async def one(n):
            storage = storages[n % 3]
            await storage.store_session(mine[n])
            await storage.store_session(shared[n % 10])
            await storage.delete_session(shared[(n + number) % 10].id)
            if n % 2:
                await storage.delete_session(mine[n].id)
            await storage.store_session(shared[n % 10])

        await asyncio.gather(*map(one, range(25)))
        await asyncio.gather(*(storage.disconnect() for storage in storages))

    children = []
    for number in range(1, 9):
        children.append(os.fork())
        if not children[-1]:
            asyncio.run(write(*sys.argv[1:], number))
            os._exit(0)
    print([os.waitpid(child, 0)[1] for child in children])
"""


@pytest.mark.asyncio
async def test_eight_processes_create_the_table_and_lose_nothing(dynamodb_url, make, table):
    command = [sys.executable, "-c", textwrap.dedent(WRITERS), dynamodb_url, table, SHOP]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == f"{[0] * 8}\n", done.stderr
    async with make(create_table=False) as storage:
        ids = {f"{SHOP}_{number * 1000 + n}" for number in range(1, 9) for n in range(0, 25, 2)}
        shared = [f"{SHOP}_{n}" for n in range(10)]
        ids |= {id for id in shared if await storage.load_session(id) is not None}
        assert {one.id for one in await storage.find_sessions_by_shop(SHOP)} == ids
