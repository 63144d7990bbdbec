"""Forks: children get connections of their own, and a client stays with its parent."""

import subprocess
import sys
import textwrap


def test_forked_children_of_a_running_loop_connect_anew(any_url, prefix):
    program = """
        import asyncio, os, sys
        from shopify_session_storage.testing.sessions import offline_session
        from shopify_session_storage_redis import RedisSessionStorage

        storage = RedisSessionStorage(sys.argv[1], session_key_prefix=sys.argv[2], on_error="raise")

        async def use(shop):
            for _ in range(20):
                session = offline_session(shop)
                await storage.store_session(session)
                assert session.equals(await storage.load_session(session.id))

        async def main():
            await use("parent")
            children = []
            for number in range(3):
                child = os.fork()
                if not child:
                    asyncio._set_running_loop(None)
                    failed = 1
                    try:
                        asyncio.run(use(f"child {number}"))
                        failed = 0
                    finally:
                        os._exit(failed)
                children.append(child)
            await use("parent")
            for child in children:
                _, status = await asyncio.to_thread(os.waitpid, child, 0)
                assert status == 0
            await use("parent")
            await storage.disconnect()

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), any_url, prefix],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_client_that_was_passed_in_stays_with_the_parent_of_a_fork(redis_url, prefix):
    program = """
        import asyncio, os, sys
        from redis.asyncio import Redis
        from shopify_session_storage_redis import RedisSessionStorage

        client = Redis.from_url(sys.argv[1])
        storage = RedisSessionStorage(client, session_key_prefix=sys.argv[2], on_error="raise")

        async def main():
            await storage.ready()
            child = os.fork()
            if not child:
                asyncio._set_running_loop(None)
                try:
                    asyncio.run(storage.load_session("id"))
                except RuntimeError as error:
                    os._exit(0 if "parent process" in str(error) else 1)
                finally:
                    os._exit(2)
            _, status = await asyncio.to_thread(os.waitpid, child, 0)
            assert status == 0
            await storage.load_session("id")
            await client.aclose()

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), redis_url, prefix],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
