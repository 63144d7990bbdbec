"""Forked children connect anew."""

import asyncio
import os

from shopify_session_storage.testing.sessions import offline_session, online_session

from .conftest import SHOP

SESSION = offline_session(SHOP)
MANY = [online_session(SHOP, user) for user in range(30)]


def test_children_of_a_process_with_a_running_loop_connect_anew(make):
    storage = make()

    async def in_child(number: int) -> None:
        async with asyncio.timeout(30):
            await storage.store_session(MANY[number])
            assert MANY[number].equals(await storage.load_session(MANY[number].id))
            await storage.disconnect()

    async def main() -> list[int]:
        await storage.store_session(SESSION)
        children = []
        for number in range(4):
            child = os.fork()
            if not child:
                status = 1
                try:
                    asyncio._set_running_loop(None)
                    asyncio.set_event_loop(None)
                    asyncio.run(in_child(number))
                    status = 0
                finally:
                    os._exit(status)
            children.append(child)
        statuses = [(await asyncio.to_thread(os.waitpid, child, 0))[1] for child in children]
        assert SESSION.equals(await storage.load_session(SESSION.id))
        assert len(await storage.find_sessions_by_shop(SHOP)) == 5
        await storage.disconnect()
        return statuses

    assert asyncio.run(main()) == [0] * 4
