"""Storages with one behaviour broken each: bad arguments."""

from datetime import timedelta

from shopify_session_storage import Session
from shopify_session_storage.stored import stored_session

from .breaking import breaks
from .storages import DictStorage


@breaks("wrong_types_raise_type_error")
class TakesABareStrAsIds(DictStorage):
    async def delete_sessions(self, ids):
        return await super().delete_sessions([ids] if isinstance(ids, str) else ids)


@breaks("wrong_types_raise_type_error")
class ChecksNoIds(DictStorage):
    async def load_session(self, id):
        return await self.ask("load a session", self.get, id, failed=None)

    async def delete_session(self, id):
        return await self.ask("delete a session", self.remove, [id], failed=False)

    async def find_sessions_by_shop(self, shop):
        return await self.ask("find sessions", self.find, shop, failed=[])


@breaks("wrong_types_of_comparisons_and_leases_raise_type_error")
class TakesNoTimeForNoLimit(DictStorage):
    async def acquire_lease(self, name, holder, ttl):
        if ttl is None:
            ttl = timedelta(days=1)
        return await super().acquire_lease(name, holder, ttl)


@breaks("wrong_types_of_comparisons_and_leases_raise_type_error")
class TakesSecondsForATime(DictStorage):
    async def acquire_lease(self, name, holder, ttl):
        if isinstance(ttl, float):
            ttl = timedelta(seconds=ttl)
        return await super().acquire_lease(name, holder, ttl)


@breaks("wrong_types_of_comparisons_and_leases_raise_type_error")
class DeletesWhatHasAnId(DictStorage):
    """Does not look at what it is given."""

    async def compare_and_delete(self, expected):
        return await self.insist("compare", self.drop, expected)


@breaks("unusable_ids_raise_value_error")
class TakesIdsOfTheShopIndex(DictStorage):
    async def load_session(self, id):
        if isinstance(id, str) and id.startswith("shop:"):
            return await self.ask("load a session", self.get, id, failed=None)
        return await super().load_session(id)


@breaks("unusable_ids_raise_value_error")
class DeletesUpToTheFirstBadId(DictStorage):
    async def delete_sessions(self, ids):
        if isinstance(ids, list):
            for id in ids:
                await self.delete_session(id)
        return await super().delete_sessions(ids)


@breaks("unstorable_sessions_are_refused")
class ChecksNoSession(DictStorage):
    async def store_session(self, session):
        return await self.ask("store a session", self.put, stored_session(session), failed=False)


@breaks("unstorable_sessions_are_refused")
class DeletesBeforeItChecks(DictStorage):
    async def store_session(self, session):
        if isinstance(session, Session):
            self.backend.rows.pop(session.id, None)
        return await super().store_session(session)
