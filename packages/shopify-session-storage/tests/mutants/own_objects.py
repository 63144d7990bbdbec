"""Storages with one behaviour broken each: objects of one's own."""

import asyncio
from dataclasses import replace

from shopify_session_storage.checks import check_session

from .breaking import breaks
from .storages import DictStorage


@breaks("returned_sessions_are_the_callers_own")
class ReturnsItsOwnObject(DictStorage):
    def read(self, row):
        return row


@breaks("returned_sessions_are_the_callers_own")
class SharesTheUserAlone(DictStorage):
    def read(self, row):
        return replace(row)


@breaks("returned_sessions_are_the_callers_own")
class KeepsTheCallersObject(DictStorage):
    async def store_session(self, session):
        check_session(session)
        return await self.ask("store a session", self.put, session, failed=False)


@breaks("concurrent_loads_share_no_object")
class LoadsAtOnceShareAnObject(DictStorage):
    reading = None

    async def get(self, id):
        if self.reading is None or self.reading[0] != id:
            self.reading = (id, await super().get(id))
        mine = self.reading
        await asyncio.sleep(0)
        self.reading = None
        return mine[1]


@breaks("concurrent_loads_share_no_object")
class FindsAtOnceShareAList(DictStorage):
    finding = None

    async def find(self, shop):
        if self.finding is None or self.finding[0] != shop:
            self.finding = (shop, await super().find(shop))
        mine = self.finding
        await asyncio.sleep(0)
        self.finding = None
        return mine[1]
