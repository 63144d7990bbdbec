"""Storages with one behaviour broken each: lifecycle."""

import asyncio

from shopify_session_storage import SessionStorageUnavailableError

from .breaking import breaks
from .storages import DictStorage, IndexedStorage, OpeningStorage


@breaks("ready_is_optional_and_repeatable")
class SecondReadyFails(DictStorage):
    was_ready = False

    async def ready(self):
        await super().ready()
        if self.was_ready:
            raise SessionStorageUnavailableError("the table exists")
        self.was_ready = True


@breaks("ready_is_optional_and_repeatable")
class IsNeverReady(DictStorage):
    async def is_ready(self):
        return False


@breaks("disconnected_storage_can_be_used_again")
class DisconnectBreaksTheStorage(DictStorage):
    closed = False

    async def disconnect(self):
        self.closed = True

    async def send(self, work, argument):
        if self.closed:
            raise ConnectionRefusedError("closed")
        return await super().send(work, argument)


@breaks("disconnected_storage_can_be_used_again")
class SecondDisconnectFails(OpeningStorage):
    async def disconnect(self):
        if self.opening is None:
            raise RuntimeError("not open")
        self.opening = None


@breaks("disconnect_waits_for_calls_under_way")
class DisconnectCutsCallsOff(DictStorage):
    connection = 0

    async def disconnect(self):
        self.connection += 1

    async def send(self, work, argument):
        connection = self.connection
        await asyncio.sleep(0)
        if connection != self.connection:
            raise ConnectionRefusedError("closed")
        return await super().send(work, argument)


@breaks("works_on_another_event_loop")
class BoundToItsFirstEventLoop(DictStorage):
    loop = None

    async def send(self, work, argument):
        self.loop = self.loop or asyncio.get_running_loop()
        if self.loop is not asyncio.get_running_loop():
            raise RuntimeError("attached to a different loop")
        return await super().send(work, argument)


@breaks("works_on_another_event_loop")
class AnotherEventLoopSpoilsTheFirst(DictStorage):
    loops = frozenset()

    async def send(self, work, argument):
        loop = asyncio.get_running_loop()
        if loop in self.loops and len(self.loops) > 1:
            raise RuntimeError("attached to a different loop")
        self.loops |= {loop}
        return await super().send(work, argument)


@breaks("first_calls_may_come_together")
class FirstCallsOpenTwice(OpeningStorage):
    connected = False

    async def send(self, work, argument):
        if not self.connected:
            await self.open()
            if self.connected:
                raise ConnectionRefusedError("another one has connected")
            self.connected = True
        return await DictStorage.send(self, work, argument)


@breaks("first_calls_may_come_together")
class SecondCallComesBeforeOpeningIsOver(OpeningStorage):
    connected = False

    async def send(self, work, argument):
        if self.opening is None:
            self.opening = asyncio.ensure_future(self.open())
            await self.opening
            self.connected = True
        if not self.connected:
            raise ConnectionRefusedError("not connected")
        return await DictStorage.send(self, work, argument)


@breaks("several_storages_may_start_together")
class OnlyOneMayStartAtATime(OpeningStorage):
    async def open(self):
        self.backend.starting += 1
        try:
            await asyncio.sleep(0)
            if self.backend.starting > 1:
                raise ConnectionRefusedError("another one is migrating")
        finally:
            self.backend.starting -= 1


@breaks("storages_on_one_backend_share_sessions")
class CachesWhatItHasSeen(DictStorage):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.cache = {}

    async def put(self, session):
        self.cache[session.id] = session
        return await super().put(session)

    async def get(self, id):
        if id not in self.cache and (row := self.backend.rows.get(id)):
            self.cache[id] = row
        row = self.cache.get(id)
        return None if row is None else self.read(row)

    async def remove(self, ids):
        for id in ids:
            self.cache.pop(id, None)
        return await super().remove(ids)


@breaks("two_writers_for_one_shop_lose_nothing")
class LocksItsIndexForItselfAlone(IndexedStorage):
    """No update is lost within one storage, but between two."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.lock = asyncio.Lock()

    async def change(self, shop, change):
        async with self.lock:
            ids = self.backend.ids_by_shop.get(shop, [])
            await asyncio.sleep(0)
            self.backend.ids_by_shop[shop] = change(ids)


@breaks("sessions_outlive_the_storage")
class DisconnectDropsTheTable(DictStorage):
    """Only another storage sees it: this one restores what it knows."""

    saved = None

    async def disconnect(self):
        if self.saved is None:
            self.saved = dict(self.backend.rows)
            self.backend.rows.clear()

    async def send(self, work, argument):
        if self.saved is not None:
            self.backend.rows.update(self.saved)
            self.saved = None
        return await super().send(work, argument)
