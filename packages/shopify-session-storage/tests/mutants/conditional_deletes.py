"""Storages with one behaviour broken each: conditional deletes."""

import asyncio

from shopify_session_storage import SessionStorage
from shopify_session_storage.checks import check_expected
from shopify_session_storage.process import ProcessLocks

from .breaking import breaks
from .storages import DictStorage, FiveMethodsStorage, IndexedStorage


@breaks("compare_and_delete_deletes_what_is_expected")
class DeletesOnlyWhatIsTheSameInAll(DictStorage):
    async def drop(self, expected):
        row = self.backend.rows.get(expected.id)
        return row in (None, expected) and await self.remove([expected.id])


@breaks("compare_and_delete_deletes_what_is_expected")
class SaysThatItHasDeleted(DictStorage):
    async def drop(self, expected):
        row = self.backend.rows.get(expected.id)
        return row is None or self.matches(row, expected)


@breaks("compare_and_delete_deletes_what_is_expected")
class ComparesAsSqlComparesNull(DictStorage):
    async def drop(self, expected):
        row = self.backend.rows.get(expected.id)
        if row is not None and row.refresh_token is None:
            return False
        return await super().drop(expected)


@breaks("compare_and_delete_leaves_other_tokens")
class DeletesWithoutComparing(DictStorage):
    async def drop(self, expected):
        return await self.remove([expected.id])


@breaks("compare_and_delete_leaves_other_tokens")
class DeletesAnyRefreshToken(DictStorage):
    async def drop(self, expected):
        row = self.backend.rows.get(expected.id)
        if row is not None and row.access_token != expected.access_token:
            return False
        return await self.remove([expected.id])


@breaks("compare_and_delete_leaves_other_tokens")
class TakesNoTokenForAnEmptyOneToDelete(DictStorage):
    async def drop(self, expected):
        row = self.backend.rows.get(expected.id)
        tokens = [
            (one.access_token or "", one.refresh_token or "") for one in (row or expected, expected)
        ]
        return tokens[0] == tokens[1] and await self.remove([expected.id])


@breaks("compare_and_delete_leaves_other_tokens")
class DeletesBeforeItCompares(DictStorage):
    async def drop(self, expected):
        row = self.backend.rows.get(expected.id)
        await self.remove([expected.id])
        return row is None or self.matches(row, expected)


@breaks("compare_and_delete_of_nothing_is_true")
class DeletingNothingIsALostComparison(DictStorage):
    """Counts the rows that are deleted."""

    async def drop(self, expected):
        return expected.id in self.backend.rows and await super().drop(expected)


@breaks("many_compared_deletes_each_get_their_own_answer")
class OneAnswerForTheWholeGroup(DictStorage):
    group = None

    async def drop(self, expected):
        if self.group is None:
            self.group = asyncio.ensure_future(self.drop_together([]))
            self.waiting = []
        self.waiting.append(expected)
        return await asyncio.shield(self.group)

    async def drop_together(self, results):
        await asyncio.sleep(0)
        self.group = None
        for one in self.waiting:
            results.append(await super().drop(one))
        return all(results)


@breaks("of_a_store_and_a_delete_that_compare_one_wins")
class DeletesInSeveralSteps(DictStorage):
    async def drop(self, expected):
        row = self.backend.rows.get(expected.id)
        await asyncio.sleep(0)
        return (row is None or self.matches(row, expected)) and await self.remove([expected.id])


@breaks("compared_deletes_lose_no_plain_store")
class LocksComparedDeletesAlone(DictStorage):
    """All storages of one backend have the lock, but plain stores go by."""

    async def compare_and_store(self, session, expected):
        async with self.lock(session.id):
            return await super().compare_and_store(session, expected)

    async def compare_and_delete(self, expected):
        check_expected(expected)
        async with self.lock(expected.id):
            return await SessionStorage.compare_and_delete(self, expected)

    def lock(self, id):
        if not hasattr(self.backend, "locks"):
            self.backend.locks = ProcessLocks()
        return self.backend.locks.lock(id)


@breaks("two_storages_compare_before_they_delete")
class ComparesItsDeletesInItsProcessAlone(FiveMethodsStorage):
    conditional_writes = "backend"


@breaks("compare_and_delete_deletes_what_is_expected")
class ComparedDeletesLeaveTheIndex(IndexedStorage):
    async def drop(self, expected):
        row = self.backend.rows.get(expected.id)
        if row is not None and not self.matches(row, expected):
            return False
        return await DictStorage.remove(self, [expected.id])

    async def find(self, shop):
        return [self.read(self.backend.rows[id]) for id in self.backend.ids_by_shop.get(shop, [])]
