"""A fork that Python was not told of: uWSGI loads an app, and forks its workers from C."""

from .test_lifecycle import needs_fork
from .test_sync_at_exit import output_of

PROGRAM = """
import ctypes, os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from shopify_session_storage.sync import SyncSessionStorage
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_sqlite import SQLiteSessionStorage

inner = SQLiteSessionStorage({path!r}, on_error="raise")
facade = SyncSessionStorage(inner, timeout=timedelta(seconds=20))
session = offline_session("a.myshopify.com")
facade.store_session(session)
child = ctypes.PyDLL(None).fork()
with ThreadPoolExecutor(8) as pool:
    loaded = list(pool.map(facade.load_session, [session.id] * 100))
print(all(one.equals(session) for one in loaded), flush=True)
if child:
    os.waitpid(child, 0)
else:
    facade.disconnect()
    os._exit(0)
"""


@needs_fork
def test_a_worker_that_was_forked_from_c_opens_anew(tmp_path):
    assert output_of(PROGRAM.format(path=str(tmp_path / "s.db"))) == ["True", "True"]
