"""Access tokens on a table of Prisma's, as a template app has it: many processes, and no schema.

``python3 tools/test.py access_tokens_prisma -- --times 200`` rotates 200 times in each test.
"""

import asyncio
import json
from contextlib import AsyncExitStack

import pytest
from interop.app_tables import tables_sql
from interop.databases import DATABASES
from shopify_session_storage import open_session_storage
from shopify_session_storage.access_tokens import AccessTokenStore
from shopify_session_storage.testing.shopify import FakeShopify

from .access_tokens_processes import expire, stored_in, worker

PROCESSES, CALLERS = 4, 8

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("retry", ["same", "new"])
@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "mysql"])
async def test_processes_share_one_request(request, tmp_path, backend, retry, times):
    url = "" if backend == "sqlite" else request.getfixturevalue(f"{backend}_url")
    options = {"layout": "prisma", "on_error": "raise"}
    async with AsyncExitStack() as stack:
        fake = stack.enter_context(FakeShopify(retry=retry))
        database = await stack.enter_async_context(DATABASES[backend](url, tmp_path))
        await database.run(tables_sql("prisma", backend))
        storage = await stack.enter_async_context(open_session_storage(database.url, **options))
        await AccessTokenStore(storage).save(fake.install("alpha"))
        workers = await asyncio.gather(
            *(
                stack.enter_async_context(worker("rounds", fake, database.url, options))
                for _ in range(PROCESSES)
            )
        )
        for number in range(times):
            await expire(storage)
            answers = await asyncio.gather(*(tell(["alpha", CALLERS]) for tell in workers))
            new = await stored_in(storage, "alpha")
            # No error: nobody is told to install the app again.
            assert [json.loads(answer) for answer in answers] == [[[new.access_token], []]] * 4
            assert fake.requests == {"alpha.myshopify.com": number + 1}
            assert fake.takes_refresh_token("alpha", new.refresh_token)
