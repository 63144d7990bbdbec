"""Small correct storages, from which the mutants are made."""

import asyncio
import logging
import os
import threading
import time
from contextlib import asynccontextmanager

from shopify_session_storage import SessionStorage, SessionStorageUnavailableError
from shopify_session_storage.checks import (
    check_comparison,
    check_expected,
    check_lease,
    check_session,
    check_session_id,
    check_session_ids,
    check_shop,
)
from shopify_session_storage.pages import SessionPage, check_scan
from shopify_session_storage.stored import copy_session, has_same_tokens, stored_session

MUTEX = threading.Lock()
LOGGER = logging.getLogger("shopify_session_storage.mutants")


class Backend:
    """What outlives a storage, and what several of them share."""

    def __init__(self):
        self.rows = {}
        self.leases = {}
        self.ids_by_shop = {}
        self.starting = 0
        self.away = False
        self.outages = 0


class BreakableBackend:
    """One that can be taken away from storages of a kind."""

    def __init__(self, kind):
        self.kind = kind
        self.backend = kind.make_backend()

    def make(self, on_error):
        return self.kind(self.backend, on_error=on_error)

    @asynccontextmanager
    async def away(self):
        self.backend.away = True
        self.backend.outages += 1
        yield
        self.backend.away = False


class DictStorage(SessionStorage):
    """Keeps sessions in a dict. Each call takes a while on its way there and back."""

    conditional_writes = "backend"
    leases = "backend"
    make_backend = Backend

    def __init__(self, backend, *, on_error="log", broken=False):
        self.backend = backend
        self.on_error = on_error
        self.broken = broken

    async def store_session(self, session):
        check_session(session)
        return await self.ask("store a session", self.put, stored_session(session), failed=False)

    async def load_session(self, id):
        check_session_id(id)
        return await self.ask("load a session", self.get, id, failed=None)

    async def delete_session(self, id):
        check_session_id(id)
        return await self.ask("delete a session", self.remove, [id], failed=False)

    async def delete_sessions(self, ids):
        unique = check_session_ids(ids)
        if not unique:
            return True
        return await self.ask("delete sessions", self.remove, unique, failed=False)

    async def find_sessions_by_shop(self, shop):
        check_shop(shop)
        return await self.ask("find sessions", self.find, shop, failed=[])

    async def compare_and_store(self, session, expected):
        check_comparison(session, expected)
        return await self.insist("compare", self.swap, (stored_session(session), expected))

    async def compare_and_delete(self, expected):
        check_expected(expected)
        return await self.insist("compare", self.drop, expected)

    async def acquire_lease(self, name, holder, ttl):
        milliseconds = check_lease(name, holder, ttl)
        return await self.insist("acquire a lease", self.acquire, (name, holder, milliseconds))

    async def release_lease(self, name, holder):
        check_lease(name, holder)
        await self.insist("release a lease", self.release, (name, holder))

    def scan_sessions(self, *, after=None, batch=500):
        check_scan(after, batch)
        return self.pages(after, batch)

    async def pages(self, after, batch):
        while True:
            page = await self.insist("walk", self.page, (after, batch))
            after = page.after
            yield page
            if after is None:
                return

    async def page(self, place):
        after, batch = place
        ids = sorted(id for id in self.backend.rows if after is None or id > after)[:batch]
        sessions = [self.read(self.backend.rows[id]) for id in ids]
        return SessionPage(sessions, after=ids[-1] if len(ids) == batch else None)

    async def ready(self):
        await self.insist("get ready", self.ping, None)

    async def insist(self, doing, work, argument):
        try:
            return await self.send(work, argument)
        except ConnectionRefusedError as error:
            raise SessionStorageUnavailableError(f"could not {doing}") from error

    async def ask(self, doing, work, argument, *, failed):
        try:
            return await self.send(work, argument)
        except ConnectionRefusedError as error:
            return self.fail(SessionStorageUnavailableError(f"could not {doing}"), error, failed)

    def fail(self, failure, cause, result):
        if self.on_error == "raise":
            raise failure from cause
        LOGGER.error("%s", failure)
        return result

    async def send(self, work, argument):
        await asyncio.sleep(0)
        if self.broken or self.backend.away:
            raise ConnectionRefusedError("nobody there")
        result = await work(argument)
        await asyncio.sleep(0)
        return result

    async def ping(self, _):
        pass

    async def put(self, session):
        self.backend.rows[self.key(session.id)] = self.write(session)
        return True

    async def get(self, id):
        row = self.backend.rows.get(self.key(id))
        return None if row is None else self.read(row)

    async def remove(self, ids):
        for id in ids:
            self.backend.rows.pop(self.key(id), None)
        return True

    async def find(self, shop):
        return [self.read(row) for row in self.backend.rows.values() if self.belongs(row, shop)]

    async def swap(self, pair):
        session, expected = pair
        row = self.backend.rows.get(self.key(session.id))
        if not self.matches(None if row is None else self.read(row), expected):
            return False
        return await self.put(session)

    async def drop(self, expected):
        row = self.backend.rows.get(self.key(expected.id))
        if row is not None and not self.matches(self.read(row), expected):
            return False
        return await self.remove([expected.id])

    def matches(self, stored, expected):
        return has_same_tokens(stored, expected)

    async def acquire(self, lease):
        name, holder, milliseconds = lease
        found, end = self.backend.leases.get(name, (holder, 0))
        if found != holder and end > time.monotonic():
            return False
        self.backend.leases[name] = (holder, time.monotonic() + milliseconds / 1000)
        return True

    async def release(self, lease):
        name, holder = lease
        if self.backend.leases.get(name, ("", 0))[0] == holder:
            del self.backend.leases[name]

    def key(self, id):
        return id

    def belongs(self, row, shop):
        return row.shop == shop

    def write(self, session):
        return session

    def read(self, row):
        return copy_session(row)


class IndexedStorage(DictStorage):
    """Finds by a list of ids for each shop."""

    async def put(self, session):
        await self.unlist(session.id)
        await super().put(session)
        await self.list(session)
        return True

    async def remove(self, ids):
        for id in ids:
            await self.unlist(id)
        return await super().remove(ids)

    async def find(self, shop):
        return [
            self.read(self.backend.rows[id])
            for id in self.backend.ids_by_shop.get(shop, [])
            if id in self.backend.rows
        ]

    async def list(self, session):
        await self.change(session.shop, lambda ids: [*ids, session.id])

    async def unlist(self, id):
        row = self.backend.rows.get(id)
        if row is not None:
            await self.change(row.shop, lambda ids: [other for other in ids if other != id])

    async def change(self, shop, change):
        index = self.backend.ids_by_shop
        with MUTEX:
            index[shop] = change(index.get(shop, []))


class OpeningStorage(DictStorage):
    """Opens on first use, once, on one event loop of one process at a time."""

    opening = None
    loop = None
    process = None

    async def send(self, work, argument):
        await asyncio.shield(self.opened())
        return await super().send(work, argument)

    def opened(self):
        with MUTEX:
            self.enter()
            if self.opening is None:
                self.opening = asyncio.ensure_future(self.open())
            return self.opening

    def enter(self):
        loop, process = asyncio.get_running_loop(), os.getpid()
        if (self.loop, self.process) != (loop, process):
            if self.process == process and self.opening and not self.loop.is_closed():
                raise RuntimeError("in use on another running event loop")
            self.loop, self.process, self.opening = loop, process, None

    async def open(self):
        await asyncio.sleep(0)

    async def disconnect(self):
        with MUTEX:
            self.enter()
            self.opening = None


class FiveMethodsStorage(DictStorage):
    """Has the five methods that a third party needs, and leaves the rest to the interface."""

    conditional_writes = SessionStorage.conditional_writes
    leases = SessionStorage.leases
    compare_and_store = SessionStorage.compare_and_store
    compare_and_delete = SessionStorage.compare_and_delete
    acquire_lease = SessionStorage.acquire_lease
    release_lease = SessionStorage.release_lease
    scan_sessions = SessionStorage.scan_sessions
