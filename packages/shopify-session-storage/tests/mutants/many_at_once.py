"""Storages with one behaviour broken each: many at once."""

import asyncio
from dataclasses import fields

from shopify_session_storage import Session
from shopify_session_storage.checks import check_session
from shopify_session_storage.stored import copy_session, stored_session

from .breaking import breaks
from .storages import DictStorage, IndexedStorage


@breaks("concurrent_stores_for_one_shop_are_all_kept")
class IndexLosesConcurrentUpdates(IndexedStorage):
    async def change(self, shop, change):
        ids = self.backend.ids_by_shop.get(shop, [])
        await asyncio.sleep(0)
        self.backend.ids_by_shop[shop] = change(ids)


@breaks("concurrent_stores_and_deletes_lose_nothing")
class DeleteLosesConcurrentStores(IndexedStorage):
    async def unlist(self, id):
        row = self.backend.rows.get(id)
        if row is not None:
            ids = self.backend.ids_by_shop.get(row.shop, [])
            await asyncio.sleep(0)
            self.backend.ids_by_shop[row.shop] = [other for other in ids if other != id]


@breaks("concurrent_stores_of_one_id_keep_one_whole")
class StoresFieldByField(DictStorage):
    turn = 0

    async def put(self, session):
        row = self.backend.rows.setdefault(session.id, copy_session(session))
        self.turn += 1
        names = [field.name for field in fields(Session)]
        for name in names if self.turn % 2 else reversed(names):
            setattr(row, name, getattr(session, name))
            await asyncio.sleep(0)
        return True


@breaks("concurrent_loads_get_their_own_session")
class MatchesLoadsByPosition(DictStorage):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.waiting = []

    async def get(self, id):
        group = self.waiting
        place = len(group)
        group.append(id)
        await asyncio.sleep(0)
        if self.waiting is group:
            self.waiting = []
        rows = self.in_the_servers_order(
            [self.backend.rows[id] for id in dict.fromkeys(group) if id in self.backend.rows]
        )
        return self.read(rows[place]) if place < len(rows) else None

    def in_the_servers_order(self, rows):
        return rows


@breaks("concurrent_loads_get_their_own_session")
class MatchesLoadsByPositionAmongSortedRows(MatchesLoadsByPosition):
    def in_the_servers_order(self, rows):
        return sorted(rows, key=lambda row: row.id)


@breaks("loads_see_what_was_stored_before")
class JoinsAReadUnderWay(DictStorage):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.reads = {}

    async def get(self, id):
        if id not in self.reads:
            self.reads[id] = asyncio.ensure_future(self.slow_read(id))
        found = await asyncio.shield(self.reads[id])
        return None if found is None else self.read(found)

    async def slow_read(self, id):
        found = self.backend.rows.get(id)
        for _ in range(5):
            await asyncio.sleep(0)
        del self.reads[id]
        return found


@breaks("loads_see_what_was_stored_before")
class AcknowledgesBeforeItIsDurable(DictStorage):
    async def put(self, session):
        asyncio.get_running_loop().call_later(
            0.001, self.backend.rows.update, {session.id: session}
        )
        return True


@breaks("cancelled_callers_disturb_nobody")
class FirstCallerCarriesTheOthers(DictStorage):
    group = None

    async def store_session(self, session):
        check_session(session)
        if self.group is not None:
            self.group.append(stored_session(session))
            return await asyncio.shield(self.done)
        self.group, self.done = (
            [stored_session(session)],
            asyncio.get_running_loop().create_future(),
        )
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            results = [
                await self.ask("store a session", self.put, one, failed=False) for one in self.group
            ]
            self.done.set_result(all(results))
            return results[0]
        except BaseException:
            self.done.cancel()
            raise
        finally:
            self.group = None


@breaks("cancelled_callers_disturb_nobody")
class CancellationAtTheBackendCloses(DictStorage):
    """The connection is gone when a call that has reached the backend is cancelled."""

    gone = False

    async def get(self, id):
        if self.gone:
            raise ConnectionRefusedError("closed")
        try:
            for _ in range(3):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.gone = True
            raise
        if self.gone:
            raise ConnectionRefusedError("closed")
        return await super().get(id)
