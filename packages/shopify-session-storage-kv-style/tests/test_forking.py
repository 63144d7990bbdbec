"""Forked children work beside their parent."""

import subprocess
import sys
import textwrap


def test_forked_children_of_a_running_loop_work_beside_their_parent(kv_url, shop):
    program = """
        import asyncio, os, sys
        from shopify_session_storage import open_session_storage
        from shopify_session_storage.testing.sessions import online_session

        url, shop = sys.argv[1:]
        storage = open_session_storage(url, on_error="raise")

        async def work(number):
            for user in range(3):
                session = online_session(f"{number}.{shop}", user)
                assert await storage.store_session(session)
                assert session.equals(await storage.load_session(session.id))

        async def main():
            await work(0)
            children = []
            for number in range(1, 4):
                child = os.fork()
                if not child:
                    asyncio._set_running_loop(None)
                    try:
                        asyncio.run(work(number))
                    except BaseException as error:
                        print(repr(error), file=sys.stderr)
                        os._exit(1)
                    os._exit(0)
                children.append(child)
                await work(0)
            for child in children:
                assert (await asyncio.to_thread(os.waitpid, child, 0))[1] == 0
            await work(0)
            await storage.disconnect()

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), kv_url, shop],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
