"""A process ends with facades open: in silence, after what is under way."""

import subprocess
import sys


def test_a_program_that_closes_nothing_ends_in_silence(tmp_path):
    program = f"""
from shopify_session_storage.sync import SyncSessionStorage
from shopify_session_storage_sqlite import SQLiteSessionStorage

facade = SyncSessionStorage(SQLiteSessionStorage({str(tmp_path / "s.db")!r}))
print(facade.load_session("a"))
"""
    assert output_of(program) == ["None"]


def output_of(program):
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert ended.stderr == ""
    return ended.stdout.split()


def test_at_the_end_of_the_process_connections_are_closed_and_nobody_opens_more():
    program = """
import atexit

def late():
    try:
        facade.ready()
    except RuntimeError as error:
        print("too-late" if "about to end" in str(error) else error)

atexit.register(late)

from shopify_session_storage.sync import SyncSessionStorage
from shopify_session_storage_memory import MemorySessionStorage

class Told(MemorySessionStorage):
    async def _close(self):
        print("closed")

facade = SyncSessionStorage(Told())
facade.ready()
print("done")
"""
    assert output_of(program) == ["done", "closed", "too-late"]


def test_the_end_of_the_process_waits_for_a_refresh_beside_a_caller():
    program = """
import asyncio
import logging
from datetime import UTC, datetime, timedelta
from shopify_session_storage.sync import SyncAccessTokenStore
from shopify_session_storage_memory import MemorySessionStorage

logging.disable()  # these leases are for one process, and so is this test

def token(number, minutes):
    expires = datetime.now(UTC) + timedelta(minutes=minutes)
    return {
        "shop": "alpha", "token": f"shpat_{number}", "access_mode": "offline", "scope": "a",
        "expires": expires.isoformat(), "refresh_token": f"shprt_{number}",
        "refresh_token_expires": (expires + timedelta(days=90)).isoformat(), "user": None,
    }

class App:
    async def refresh_token_exchanged_access_token_async(self, _):
        await asyncio.sleep(0.3)
        return {"ok": True, "shop": "alpha", "access_token": token(2, 60)}

class Told(MemorySessionStorage):
    async def _close(self):
        print("closed")
    async def compare_and_store(self, session, expected):
        print(session.access_token)
        return await super().compare_and_store(session, expected)

tokens = SyncAccessTokenStore(Told(), App())
tokens.save(token(1, 1))
print(tokens.get("alpha").token)
"""
    assert output_of(program) == ["shpat_1", "shpat_2", "closed"]
