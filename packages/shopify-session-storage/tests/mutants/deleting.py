"""Storages with one behaviour broken each: deleting."""

from shopify_session_storage.checks import check_session_id, check_session_ids

from .breaking import breaks
from .storages import DictStorage


@breaks("delete_removes_the_session")
class DeletesTheWholeShop(DictStorage):
    async def delete_session(self, id):
        row = self.backend.rows.get(id)
        if row is not None:
            await self.remove([found.id for found in await self.find(row.shop)])
        return await super().delete_session(id)


@breaks("delete_removes_the_session")
class DeletesNothing(DictStorage):
    async def delete_session(self, id):
        check_session_id(id)
        return await self.ask("delete a session", self.ping, None, failed=False) is None


@breaks("deleting_what_is_missing_is_true")
class DeletingWhatIsMissingIsFalse(DictStorage):
    async def remove(self, ids):
        existed = all(id in self.backend.rows for id in ids)
        await super().remove(ids)
        return existed


@breaks("deleting_what_is_missing_is_true")
class StopsAtTheFirstMissingId(DictStorage):
    async def remove(self, ids):
        for id in ids:
            if self.backend.rows.pop(id, None) is None:
                break
        return True


@breaks("deleting_nothing_is_true")
class DeletingNothingIsFalse(DictStorage):
    async def delete_sessions(self, ids):
        unique = check_session_ids(ids)
        return bool(unique) and await super().delete_sessions(unique)


@breaks("deleting_nothing_is_true")
class DeletingNothingDeletesEverything(DictStorage):
    async def delete_sessions(self, ids):
        unique = check_session_ids(ids)
        if not unique:
            self.backend.rows.clear()
        return await super().delete_sessions(unique)


@breaks("delete_takes_any_iterable")
class IteratesIdsTwice(DictStorage):
    async def delete_sessions(self, ids):
        check_session_ids(ids)
        return await super().delete_sessions(ids)


@breaks("delete_takes_ten_thousand_ids")
class DeletesOnlyTheFirstThousand(DictStorage):
    async def remove(self, ids):
        return await super().remove(ids[:1000])
