"""A scripted storage that compares and leases, and versions of one session."""

from dataclasses import replace
from datetime import timedelta

from shopify_session_storage.stored import has_same_tokens
from shopify_session_storage.testing.sessions import offline_session

from .scripted import ScriptedStorage

MINUTE = timedelta(minutes=1)
OLD = offline_session("shop.myshopify.com")


def version(name):
    return replace(OLD, access_token=name)


class ComparingStorage(ScriptedStorage):
    """Compares and leases on its backend, as told."""

    conditional_writes = "backend"
    leases = "backend"

    def __init__(self, **settings):
        super().__init__(**settings)
        self.holders = {}

    async def _compare_and_store(self, session, expected):
        def swap():
            if not has_same_tokens(self.rows.get(session.id), expected):
                return False
            self.rows[session.id] = session
            return True

        stored = await self.scripted("compare", session.id, swap)
        await self.scripted("answer")
        return stored

    async def _acquire_lease(self, name, holder, milliseconds):
        self.holders.setdefault(name, holder)
        await self.scripted("acquire", (name, holder, milliseconds))
        return self.holders[name] == holder

    async def _release_lease(self, name, holder):
        await self.scripted("release", (name, holder))
