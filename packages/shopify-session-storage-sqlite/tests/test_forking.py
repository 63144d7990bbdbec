"""Forks: statements keep out of their way, and children get connections of their own."""

import threading

from shopify_session_storage_sqlite.forking import _Gate

from .processes import finish, script


def test_a_statement_waits_until_the_last_of_several_forks_is_over():
    gate, done = _Gate(), threading.Event()

    def statement():
        with gate:
            done.set()

    gate.before_fork()
    gate.before_fork()  # of another thread
    gate.after_fork()
    thread = threading.Thread(target=statement)
    thread.start()
    assert not done.wait(0.2)
    gate.after_fork()
    assert done.wait(1)
    thread.join()


FORKED = """
    import asyncio, os, sqlite3, sys, warnings
    from shopify_session_storage_sqlite import SQLiteSessionStorage
    from shopify_session_storage.testing.sessions import online_session

    storage = SQLiteSessionStorage(sys.argv[1], on_error="raise")

    async def work(number):
        for user in range(20):
            session = online_session("a", number * 100 + user)
            await storage.store_session(session)
            assert session.equals(await storage.load_session(session.id))

    async def main():
        await work(0)
        children = []
        for number in range(1, 5):
            child = os.fork()
            if not child:
                try:
                    asyncio._set_running_loop(None)
                    asyncio.run(work(number))
                    asyncio.run(storage.disconnect())
                except BaseException as error:
                    print(repr(error))
                    os._exit(1)
                os._exit(0)
            children.append(child)
            await work(5)  # the parent goes on beside them
        for child in children:
            _, status = await asyncio.to_thread(os.waitpid, child, 0)
            assert status == 0, status
        await work(6)
        assert len(await storage.find_sessions_by_shop("a")) == 7 * 20
        await storage.disconnect()
        other = sqlite3.connect(sys.argv[1], timeout=0.2)
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        other.execute("CREATE TABLE mine (x)")

    asyncio.run(main())
"""


def test_forked_children_of_a_running_loop_work_beside_their_parent(path):
    finish(script(FORKED, path))


def test_connection_of_the_parent_is_refused_in_a_forked_child(path):
    finish(
        script(
            """
            import asyncio, os, sys
            import aiosqlite
            from shopify_session_storage import SessionStorageUnavailableError
            from shopify_session_storage_sqlite import SQLiteSessionStorage

            async def child(storage):
                try:
                    await storage.load_session("id")
                except SessionStorageUnavailableError as error:
                    assert "not open in this process" in str(error)
                    return 0
                return 1

            async def main():
                async with aiosqlite.connect(sys.argv[1]) as connection:
                    storage = SQLiteSessionStorage(connection, on_error="raise")
                    await storage.load_session("id")
                    pid = os.fork()
                    if not pid:
                        asyncio._set_running_loop(None)
                        os._exit(asyncio.run(child(storage)))
                    assert os.waitpid(pid, 0)[1] == 0
                    await storage.load_session("id")

            asyncio.run(main())
            """,
            path,
        )
    )
