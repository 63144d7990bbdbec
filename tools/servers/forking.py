"""Forks a process whose event loop runs."""

import asyncio
import os

from shopify_session_storage import SessionStorage
from shopify_session_storage.testing.sessions import offline_session, online_session

_SHOP = "forked.myshopify.com"
_CHILDREN = 4
_SECONDS = 30


def fork_children_of_a_running_loop(storage: SessionStorage) -> None:
    """Use *storage* before, in forked children, and after that in their parent.

    Raises:
        AssertionError: If a child fails, or something is not there in the end.
    """
    parents = offline_session(_SHOP)
    childrens = [online_session(_SHOP, user) for user in range(_CHILDREN)]

    async def in_child(number: int) -> None:
        async with asyncio.timeout(_SECONDS):
            await storage.store_session(childrens[number])
            assert childrens[number].equals(await storage.load_session(childrens[number].id))
            await storage.disconnect()

    async def main() -> list[int]:
        await storage.store_session(parents)
        children = []
        for number in range(_CHILDREN):
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
        assert parents.equals(await storage.load_session(parents.id))
        assert len(await storage.find_sessions_by_shop(_SHOP)) == 1 + _CHILDREN
        await storage.disconnect()
        return statuses

    assert asyncio.run(main()) == [0] * _CHILDREN
