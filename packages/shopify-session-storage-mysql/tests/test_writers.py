"""Several writers of the same rows."""

import asyncio
import subprocess
import sys
import textwrap
from datetime import timedelta

import aiomysql
import pytest
from servers import mysql
from shopify_session_storage import (
    SessionStorageUnavailableError,
)
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_mysql import MySQLSessionStorage

from .conftest import (
    SHOP,
    query,
)


@pytest.mark.asyncio
async def test_processes_that_write_overlapping_groups_raise_nothing(database_url):
    source = """
    import asyncio, random, sys
    from shopify_session_storage import Session
    from shopify_session_storage_mysql import MySQLSessionStorage

    async def main():
        choose = random.Random(int(sys.argv[2]))
        async with MySQLSessionStorage(sys.argv[1], on_error="raise") as storage:
            for turn in range(30):
                ids = choose.sample(range(150), 60)
                await asyncio.gather(*(
                    storage.store_session(Session(
                        id=f"id{n}", shop=f"{turn}{choose.random()}", state="", is_online=False))
                    for n in ids
                ))
                if turn % 3 == 0:
                    await storage.delete_sessions(f"id{n}" for n in choose.sample(range(150), 50))

    asyncio.run(main())
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(source), database_url, str(n)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(4)
    ]
    for process in processes:
        _, errors = await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 0, errors


@pytest.mark.asyncio
async def test_deadlock_is_tried_again(database_url, monkeypatch):
    """A single deadlock of two rows is made; core sees what it must repeat, and does."""
    conflicts = []
    store = MySQLSessionStorage._store

    async def waiting_for_the_lock(storage):
        waits = "SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
        while True:
            storing = asyncio.ensure_future(store(storage, many[:2]))
            while not storing.done():
                if await query(database_url, waits):
                    return storing
                # Whoever asks again within 0.1 s is told the same again.
                await asyncio.sleep(0.15)
            storing.exception()  # it waits for a second, and nobody has seen it in time

    async def in_opposite_order(self, sessions):
        """Store two sessions where one was to be stored, while somebody has locked the second."""
        if conflicts:
            return await store(self, sessions)
        storing = await waiting_for_the_lock(self)
        await other.query(update.format(many[0].id))
        await other.commit()
        try:
            await storing
        except aiomysql.MySQLError as error:
            conflicts.append(error.args[0])
            raise

    async with (
        MySQLSessionStorage(database_url, on_error="raise") as storage,
        aiomysql.connect(**mysql.options_of(database_url)) as other,
    ):
        many = [online_session(SHOP, user) for user in range(50)]
        await storage._store(many)
        # The server ends the transaction that has changed less.
        update = "UPDATE shopify_sessions SET state = 'theirs' WHERE id = '{}'"
        for session in many[1:]:
            await other.query(update.format(session.id))
        monkeypatch.setattr(MySQLSessionStorage, "_store", in_opposite_order)
        many[0].state = "ours"
        assert await storage.store_session(many[0]) is True
        assert conflicts == [1213]
        assert (await storage.load_session(many[0].id)).state == "ours"


@pytest.mark.asyncio
async def test_lock_that_is_never_released_is_an_error_with_a_cause(database_url):
    async with (
        MySQLSessionStorage(
            database_url, timeout=timedelta(seconds=3), on_error="raise"
        ) as storage,
        aiomysql.connect(**mysql.options_of(database_url)) as other,
    ):
        session = offline_session(SHOP)
        await storage.store_session(session)
        await other.query("UPDATE shopify_sessions SET state = 'locked'")
        with pytest.raises(SessionStorageUnavailableError, match=r"locked|3 s"):
            await storage.store_session(session)
        await other.rollback()
        assert await storage.store_session(session) is True
