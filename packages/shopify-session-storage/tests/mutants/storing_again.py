"""Storages with one behaviour broken each: storing again."""

from dataclasses import fields

from shopify_session_storage import Session

from .breaking import breaks, changed, with_user
from .storages import DictStorage, IndexedStorage


@breaks("upsert_replaces_everything")
class UpsertMerges(DictStorage):
    async def put(self, session):
        old = self.backend.rows.get(session.id)
        if old is not None:
            kept = {
                field.name: getattr(old, field.name)
                for field in fields(Session)
                if getattr(session, field.name) is None
            }
            session = changed(session, **kept)
        return await super().put(session)


@breaks("upsert_replaces_everything")
class UpsertMergesTheUser(DictStorage):
    async def put(self, session):
        old = self.backend.rows.get(session.id)
        if old is not None and old.online_access_info and session.online_access_info:
            user = session.online_access_info.associated_user
            email = user.email or old.online_access_info.associated_user.email
            session = with_user(session, email=email)
        return await super().put(session)


@breaks("upsert_can_change_the_kind")
class KeepsTheFirstKind(DictStorage):
    async def put(self, session):
        old = self.backend.rows.get(session.id)
        if old is not None:
            session = changed(session, is_online=old.is_online)
        return await super().put(session)


@breaks("upsert_moves_to_another_shop")
class LeavesTheOldIndexEntry(IndexedStorage):
    async def unlist(self, id):
        pass

    async def list(self, session):
        await self.change(session.shop, lambda ids: list(dict.fromkeys([*ids, session.id])))


@breaks("upsert_moves_to_another_shop")
class KeepsTheFirstShop(IndexedStorage):
    async def put(self, session):
        if session.id in self.backend.rows:
            return await DictStorage.put(self, session)
        return await super().put(session)


@breaks("storing_again_makes_no_duplicate")
class ListsAgainWhatIsStoredAgain(IndexedStorage):
    async def put(self, session):
        await DictStorage.put(self, session)
        await self.list(session)
        return True
