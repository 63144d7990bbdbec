"""Storages with one behaviour broken each: conditional writes."""

import asyncio

from shopify_session_storage import SessionStorage
from shopify_session_storage.process import ProcessLocks
from shopify_session_storage.stored import has_same_tokens

from .breaking import breaks, changed
from .storages import DictStorage, FiveMethodsStorage, IndexedStorage


@breaks("compare_and_store_stores_what_is_expected")
class ComparesWholeSessions(DictStorage):
    def matches(self, stored, expected):
        return stored == expected


@breaks("compare_and_store_stores_what_is_expected")
class CountsOnlyWhatChanges(DictStorage):
    """As MySQL counts the rows of an UPDATE."""

    async def swap(self, pair):
        session, _ = pair
        before = self.backend.rows.get(session.id)
        return await super().swap(pair) and before != session


@breaks("compare_and_store_refuses_the_rest")
class ComparesOnlyAccessTokens(DictStorage):
    def matches(self, stored, expected):
        if stored is None or expected is None:
            return stored is expected
        return stored.access_token == expected.access_token


@breaks("compare_and_store_refuses_the_rest")
class ComparesOnlyRefreshTokens(DictStorage):
    def matches(self, stored, expected):
        if stored is None or expected is None:
            return stored is expected
        return stored.refresh_token == expected.refresh_token


class ComparesSpelledTokens(DictStorage):
    def matches(self, stored, expected):
        if stored is None or expected is None:
            return stored is expected
        return all(
            self.spell(getattr(stored, name)) == self.spell(getattr(expected, name))
            for name in ("access_token", "refresh_token")
        )


@breaks("compare_and_store_refuses_the_rest")
class IgnoresTheCaseOfTokens(ComparesSpelledTokens):
    def spell(self, token):
        return token and token.lower()


@breaks("compare_and_store_refuses_the_rest")
class TakesNoTokenForAnEmptyOne(ComparesSpelledTokens):
    def spell(self, token):
        return token or ""


@breaks("compare_and_store_refuses_the_rest")
class ExpectsNothingOfAnything(DictStorage):
    """An upsert where an insert is due."""

    def matches(self, stored, expected):
        return expected is None or has_same_tokens(stored, expected)


@breaks("compare_and_store_refuses_the_rest")
class TakesNoSessionForOneWithoutTokens(DictStorage):
    def matches(self, stored, expected):
        tokens = [
            (one and one.access_token, one and one.refresh_token) for one in (stored, expected)
        ]
        return tokens[0] == tokens[1]


@breaks("compare_and_store_refuses_the_rest")
class StoresBeforeItCompares(DictStorage):
    async def swap(self, pair):
        session, expected = pair
        row = self.backend.rows.get(session.id)
        await self.put(session)
        return self.matches(row, expected)


@breaks("compare_and_store_is_false_if_somebody_else_stored_the_same")
class TakesTheSameTokensForItsOwn(DictStorage):
    async def swap(self, pair):
        session, _ = pair
        row = self.backend.rows.get(session.id)
        return await super().swap(pair) or has_same_tokens(row, session)


@breaks("compare_and_store_is_false_if_somebody_else_stored_the_same")
class StoresTheSameTokensAgain(DictStorage):
    async def swap(self, pair):
        session, expected = pair
        row = self.backend.rows.get(session.id)
        if row is not None and has_same_tokens(row, session):
            await self.put(session)
            return self.matches(row, expected)
        return await super().swap(pair)


@breaks("compare_and_store_replaces_everything")
class ReplacesOnlyTheTokens(DictStorage):
    async def swap(self, pair):
        session, expected = pair
        row = self.backend.rows.get(session.id)
        if row is not None:
            names = ("access_token", "refresh_token")
            session = changed(row, **{name: getattr(session, name) for name in names})
        return await super().swap((session, expected))


@breaks("compare_and_store_replaces_everything")
class ComparesBesideTheIndex(IndexedStorage):
    async def swap(self, pair):
        session, expected = pair
        if self.matches(self.backend.rows.get(session.id), expected):
            return await DictStorage.put(self, session)
        return False


@breaks("of_many_comparisons_one_wins")
class ComparesInSeveralSteps(DictStorage):
    async def swap(self, pair):
        session, expected = pair
        row = self.backend.rows.get(session.id)
        await asyncio.sleep(0)
        return self.matches(row, expected) and await self.put(session)


@breaks("two_storages_that_compare_do_not_both_win")
class ComparesInItsProcessAlone(FiveMethodsStorage):
    conditional_writes = "backend"


@breaks("comparing_loses_no_plain_store")
class LocksComparisonsAlone(DictStorage):
    """All storages of one backend have the lock, but plain stores go by."""

    async def compare_and_store(self, session, expected):
        if not hasattr(self.backend, "locks"):
            self.backend.locks = ProcessLocks()
        async with self.backend.locks.lock(session.id):
            return await SessionStorage.compare_and_store(self, session, expected)
