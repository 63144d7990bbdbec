"""A process of an app, for test_access_tokens.py: it gets tokens as it is told, line by line."""

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from shopify_app import ShopifyApp
from shopify_session_storage import CachedSessionStorage, open_session_storage
from shopify_session_storage.access_tokens import AccessTokenStore
from shopify_session_storage.testing.shopify import client_for


@asynccontextmanager
async def opened(settings):
    storage = open_session_storage(settings["storage"], **settings["options"])
    if settings.get("cached_seconds"):
        storage = CachedSessionStorage(storage, ttl=timedelta(seconds=settings["cached_seconds"]))
    app = ShopifyApp(settings["client_id"], settings["client_secret"])
    timeout = timedelta(seconds=settings["request_timeout"])
    async with (
        client_for(settings["endpoint"]) as client,
        storage,
        AccessTokenStore(storage, app, http_client=client, request_timeout=timeout) as tokens,
    ):
        yield tokens


async def rounds(settings):
    """For each line, so many callers get the token of a shop at once; tell what they got."""
    loop = asyncio.get_running_loop()
    async with opened(settings) as tokens:
        print("ready", flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            shop, callers = json.loads(line)
            calls = (tokens.get(shop) for _ in range(callers))
            results = await asyncio.gather(*calls, return_exceptions=True)
            await tokens.aclose()
            got = sorted({r["token"] for r in results if not isinstance(r, Exception)})
            errors = sorted({repr(r) for r in results if isinstance(r, Exception)})
            print(json.dumps([got, errors]), flush=True)


async def calls(settings):
    """For each line, call a method; tell what came of it: the token, True or the error's name."""
    loop = asyncio.get_running_loop()
    async with opened(settings) as tokens:
        print("ready", flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            method, arguments, options = json.loads(line)
            if "installed_before" in options:
                options["installed_before"] = datetime.fromisoformat(options["installed_before"])
            try:
                result = await getattr(tokens, method)(*arguments, **options)
                answer = True if result is None else result["token"]
            except Exception as error:
                answer = type(error).__name__
            print(json.dumps(answer), flush=True)


def forks(settings):
    """For each line, a process of its own for each of its shops gets its token; tell their ids."""
    asyncio.run(warm_up(settings))
    print("ready", flush=True)
    for line in sys.stdin:
        pids = [fork(settings, shop) for shop in json.loads(line)]
        print(json.dumps(pids), flush=True)
        for pid in pids:
            os.waitpid(pid, 0)
        print("ended", flush=True)


async def warm_up(settings):
    """Import what the forks would import, each for itself."""
    async with opened(settings), client_for(settings["endpoint"]) as client:
        await client.post("https://nobody.myshopify.com/", json={})


def fork(settings, shop):
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(once(settings, shop))
        finally:
            os._exit(0)
    return pid


async def once(settings, shop):
    async with opened(settings) as tokens:
        await tokens.get(shop)


if __name__ == "__main__":
    given = json.loads(sys.argv[2])
    if sys.argv[1] == "forks":
        forks(given)
    else:
        asyncio.run({"rounds": rounds, "calls": calls}[sys.argv[1]](given))
