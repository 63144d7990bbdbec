"""Storages with one behaviour broken each: cancellation."""

import asyncio

from .breaking import breaks
from .storages import DictStorage, OpeningStorage


@breaks("callers_time_limit_ends_a_call")
class WaitsForTheBackendThoughCancelled(DictStorage):
    async def get(self, id):
        try:
            return await super().get(id)
        finally:
            await self.answered()

    async def answered(self):
        answer = asyncio.ensure_future(asyncio.sleep(0.6))
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            await answer
            raise
        answer.cancel()


@breaks("callers_time_limit_ends_a_call")
class GoneAfterACancelledCall(DictStorage):
    gone = False

    async def find(self, shop):
        if self.gone:
            raise ConnectionRefusedError("closed")
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.gone = True
            raise
        return await super().find(shop)


@breaks("cancelled_stores_do_not_come_late")
class CancelledStoresComeLate(DictStorage):
    """They go on behind their callers' back, and the next one does not wait for them."""

    turn = 0

    async def put(self, session):
        self.turn += 1
        return await asyncio.shield(self.put_after_a_while(session, self.turn % 3))

    async def put_after_a_while(self, session, moments):
        await asyncio.sleep(0.002 * moments)
        return await super().put(session)


@breaks("cancelled_start_can_be_repeated")
class CancelledStartStaysCancelled(OpeningStorage):
    async def send(self, work, argument):
        await self.opened()
        return await DictStorage.send(self, work, argument)


@breaks("cancelled_start_can_be_repeated")
class CancelledStartLocksTheBackend(DictStorage):
    """Leaves a transaction open, as a cancelled migration can."""

    async def ready(self):
        if self.backend.starting:
            raise ConnectionRefusedError("the database is locked")
        self.backend.starting += 1
        await super().ready()
        self.backend.starting -= 1

    async def send(self, work, argument):
        if self.backend.starting and work != self.ping:
            raise ConnectionRefusedError("the database is locked")
        return await super().send(work, argument)
