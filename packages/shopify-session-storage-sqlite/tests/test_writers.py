"""Several processes write to one file, and what is acknowledged stays."""

import pytest
from shopify_session_storage_sqlite import SQLiteSessionStorage

from .processes import finish, script

WRITER = """
import asyncio, sys
from shopify_session_storage_sqlite import SQLiteSessionStorage
from shopify_session_storage.testing.sessions import online_session

async def main(path, number):
    async with SQLiteSessionStorage(path, on_error="raise") as storage:
        sessions = [online_session("a.myshopify.com", number * 1000 + user) for user in range(300)]
        for session in sessions[:100]:
            await storage.store_session(session)
        await asyncio.gather(*map(storage.store_session, sessions[100:]))
        await asyncio.gather(*(storage.delete_session(session.id) for session in sessions[::3]))
        for session in sessions[1::3]:
            assert session.equals(await storage.load_session(session.id))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.mark.asyncio
async def test_eight_processes_write_at_once_and_lose_nothing(tmp_path):
    for writer in [script(WRITER, tmp_path / "s.db", number) for number in range(8)]:
        finish(writer)
    async with SQLiteSessionStorage(tmp_path / "s.db") as storage:
        assert len(await storage.find_sessions_by_shop("a.myshopify.com")) == 8 * 200


@pytest.mark.asyncio
async def test_acknowledged_store_survives_a_killed_process(tmp_path):
    process = script(
        """
        import asyncio, os, signal, sys
        from shopify_session_storage_sqlite import SQLiteSessionStorage
        from shopify_session_storage.testing.sessions import online_session

        async def main():
            storage = SQLiteSessionStorage(sys.argv[1], on_error="raise")
            sessions = [online_session("a.myshopify.com", user) for user in range(50)]
            await asyncio.gather(*map(storage.store_session, sessions))
            os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(main())
        """,
        tmp_path / "s.db",
    )
    process.communicate(timeout=60)
    assert process.returncode == -9
    async with SQLiteSessionStorage(tmp_path / "s.db") as storage:
        assert len(await storage.find_sessions_by_shop("a.myshopify.com")) == 50
