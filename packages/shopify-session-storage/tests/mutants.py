"""A small correct storage, and copies of it with one behaviour broken each.

Each mutant names the case of the battery that has to catch it.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from fnmatch import fnmatchcase
from urllib.parse import unquote

from shopify_session_storage import (
    OnlineAccessInfo,
    Session,
    SessionStorage,
    SessionStorageUnavailableError,
)
from shopify_session_storage.checks import (
    check_comparison,
    check_lease,
    check_session,
    check_session_id,
    check_session_ids,
    check_shop,
)
from shopify_session_storage.process import ProcessLocks
from shopify_session_storage.stored import copy_session, has_same_tokens, stored_session

LOGGER = logging.getLogger("shopify_session_storage.mutants")


class Backend:
    """What outlives a storage, and what several of them share."""

    def __init__(self):
        self.rows = {}
        self.leases = {}
        self.ids_by_shop = {}
        self.starting = 0


class DictStorage(SessionStorage):
    """Keeps sessions in a dict. Each call takes a while on its way there and back."""

    conditional_writes = "backend"
    leases = "backend"

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

    async def acquire_lease(self, name, holder, ttl):
        milliseconds = check_lease(name, holder, ttl)
        return await self.insist("acquire a lease", self.acquire, (name, holder, milliseconds))

    async def release_lease(self, name, holder):
        check_lease(name, holder)
        await self.insist("release a lease", self.release, (name, holder))

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
        if self.broken:
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
        index[shop] = change(index.get(shop, []))


class OpeningStorage(DictStorage):
    """Opens on first use, once."""

    opening = None

    async def send(self, work, argument):
        if self.opening is None:
            self.opening = asyncio.ensure_future(self.open())
        await asyncio.shield(self.opening)
        return await super().send(work, argument)

    async def open(self):
        await asyncio.sleep(0)

    async def disconnect(self):
        self.opening = None


class FiveMethodsStorage(DictStorage):
    """Has the five methods that a third party needs, and leaves the rest to the interface."""

    conditional_writes = SessionStorage.conditional_writes
    leases = SessionStorage.leases
    compare_and_store = SessionStorage.compare_and_store
    acquire_lease = SessionStorage.acquire_lease
    release_lease = SessionStorage.release_lease


CORRECT = [DictStorage, IndexedStorage, OpeningStorage, FiveMethodsStorage]
MUTANTS: list[tuple[type[DictStorage], str]] = []
"""Each with the name of the case that has to catch it."""


def breaks(case: str) -> Callable[[type[DictStorage]], type[DictStorage]]:
    def add(mutant):
        MUTANTS.append((mutant, case))
        return mutant

    return add


def changed(session, **values):
    """A copy with other values, also such as a Session does not accept."""
    copy = copy_session(session)
    for name, value in values.items():
        setattr(copy, name, value)
    return copy


def with_user(session, **values):
    copy = copy_session(session)
    for name, value in values.items():
        if copy.online_access_info is not None:
            setattr(copy.online_access_info.associated_user, name, value)
    return copy


# --- what comes back ------------------------------------------------------------------------------


@breaks("offline_session_comes_back")
class ForgetsWhenTheRefreshTokenExpires(DictStorage):
    def write(self, session):
        return changed(session, refresh_token_expires=None)


@breaks("online_session_comes_back")
class ForgetsTheLastName(DictStorage):
    def write(self, session):
        return with_user(session, last_name=None)


@breaks("bare_session_comes_back")
class ReadsNoScopeAsAnEmptyOne(DictStorage):
    def read(self, row):
        return changed(row, scope=row.scope or "")


@breaks("online_session_always_has_user_info")
class OnlineWithoutUserInfo(DictStorage):
    def read(self, row):
        info = row.online_access_info
        return changed(row, online_access_info=None if info == OnlineAccessInfo() else info)


@breaks("user_data_of_offline_session_is_not_kept")
class KeepsUserDataOfOfflineSessions(DictStorage):
    async def store_session(self, session):
        check_session(session)
        kept = changed(stored_session(session), online_access_info=session.online_access_info)
        return await self.ask("store a session", self.put, copy_session(kept), failed=False)


@breaks("partial_user_comes_back")
class ReadsFalseFlagsAsUnknown(DictStorage):
    def read(self, row):
        info = row.online_access_info
        if info is None:
            return copy_session(row)
        flags = ("email_verified", "account_owner", "collaborator")
        return with_user(
            row, **{flag: getattr(info.associated_user, flag) or None for flag in flags}
        )


@breaks("partial_user_comes_back")
class ReadsUnknownFlagsAsFalse(DictStorage):
    def read(self, row):
        info = row.online_access_info
        if info is None:
            return copy_session(row)
        return with_user(row, account_owner=bool(info.associated_user.account_owner))


@breaks("empty_strings_are_kept")
class DropsEmptyStrings(DictStorage):
    def write(self, session):
        return changed(
            session, access_token=session.access_token or None, scope=session.scope or None
        )


@breaks("dates_come_back_in_utc")
class NaiveDates(DictStorage):
    def read(self, row):
        return changed(row, expires=row.expires and row.expires.replace(tzinfo=None))


@breaks("dates_come_back_in_utc")
class DatesInALocalZone(DictStorage):
    def read(self, row):
        zone = timezone(timedelta(hours=2))
        return changed(row, expires=row.expires and row.expires.astimezone(zone))


@breaks("dates_come_back_in_utc")
class DropsTheZoneOfDates(DictStorage):
    async def store_session(self, session):
        check_session(session)
        expires = session.expires and session.expires.replace(tzinfo=UTC)
        return await super().store_session(changed(session, expires=expires))


@breaks("early_and_late_dates_come_back")
class DatesOfThirtyTwoBits(DictStorage):
    def write(self, session):
        last = datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC)
        return changed(session, expires=session.expires and min(session.expires, last))


@breaks("milliseconds_are_never_rounded_up")
class RoundsMillisecondsUp(DictStorage):
    def write(self, session):
        expires = session.expires
        if expires is not None and expires.microsecond >= 500_000:
            expires = expires.replace(microsecond=0) + timedelta(seconds=1)
        return changed(session, expires=expires)


@breaks("user_ids_come_back_exactly")
class UserIdAsFloat(DictStorage):
    def read(self, row):
        info = row.online_access_info
        if info is None or info.associated_user.id is None:
            return copy_session(row)
        return with_user(row, id=float(info.associated_user.id))


@breaks("user_ids_come_back_exactly")
class UserIdOfThirtyTwoBits(DictStorage):
    def write(self, session):
        info = session.online_access_info
        if info is None or info.associated_user.id is None:
            return session
        return with_user(session, id=min(info.associated_user.id, 2**31 - 1))


@breaks("long_texts_come_back")
class CutsLongTexts(DictStorage):
    def write(self, session):
        token = session.access_token
        return changed(session, access_token=token and token.encode()[:65_535].decode())


@breaks("any_unicode_comes_back")
class ThreeBytesOfUtf8(DictStorage):
    def write(self, session):
        scope = session.scope
        return changed(session, scope=scope and re.sub("[^\0-\uffff]", "?", scope))


@breaks("any_unicode_comes_back")
class NormalizesLineEnds(DictStorage):
    def write(self, session):
        return changed(session, state=session.state.replace("\r", "\n"))


# --- ids and shops --------------------------------------------------------------------------------


@breaks("unknown_id_is_none")
class UnknownIdIsAnEmptySession(DictStorage):
    async def get(self, id):
        blank = Session(id=id, shop="unknown", state="", is_online=False)
        return await super().get(id) or blank


@breaks("odd_ids_and_shops_work")
class DecodesIds(DictStorage):
    def read(self, row):
        return changed(row, id=unquote(row.id))


@breaks("odd_ids_and_shops_work")
class StripsShops(DictStorage):
    def write(self, session):
        return changed(session, shop=session.shop.strip())

    def belongs(self, row, shop):
        return row.shop == shop.strip()


@breaks("longest_ids_and_shops_work")
class CutsIds(DictStorage):
    def write(self, session):
        return changed(session, id=session.id[:191])


@breaks("ids_are_compared_exactly")
class IgnoresTheCaseOfIds(DictStorage):
    def key(self, id):
        return id.lower()


@breaks("ids_are_compared_exactly")
class IgnoresSpacesAtTheEndOfIds(DictStorage):
    def key(self, id):
        return id.rstrip(" ")


@breaks("ids_are_compared_exactly")
class IgnoresEmojiInIds(DictStorage):
    def key(self, id):
        return re.sub("[^\0-\uffff]", "?", id)


@breaks("shops_are_compared_exactly")
class IgnoresTheCaseOfShops(DictStorage):
    def belongs(self, row, shop):
        return row.shop.lower() == shop.lower()


@breaks("shops_are_compared_exactly")
class IgnoresSpacesAtTheEndOfShops(DictStorage):
    def belongs(self, row, shop):
        return row.shop.rstrip(" ") == shop.rstrip(" ")


@breaks("shops_are_compared_exactly")
class FindsWithLike(DictStorage):
    def belongs(self, row, shop):
        pattern = re.escape(shop).replace("%", ".*").replace("_", ".")
        return re.fullmatch(pattern, row.shop, re.DOTALL) is not None


@breaks("shops_are_compared_exactly")
class FindsWithGlob(DictStorage):
    def belongs(self, row, shop):
        return row.shop == shop or fnmatchcase(row.shop, shop)


# --- storing again --------------------------------------------------------------------------------


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


# --- deleting -------------------------------------------------------------------------------------


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


# --- finding --------------------------------------------------------------------------------------


@breaks("unknown_shop_has_no_sessions")
class UnknownShopIsNone(DictStorage):
    async def find(self, shop):
        return await super().find(shop) or None


@breaks("find_returns_all_of_the_shop")
class FindsTwentyFive(DictStorage):
    async def find(self, shop):
        return (await super().find(shop))[:25]


@breaks("find_returns_all_of_the_shop")
class FindsOnlineSessionsOnly(DictStorage):
    def belongs(self, row, shop):
        return row.shop == shop and row.is_online


@breaks("find_has_no_cap")
class FindsOnePageOfAMegabyte(DictStorage):
    async def find(self, shop):
        page, size = [], 0
        for session in await super().find(shop):
            size += check_session(session)
            if size > 1_000_000:
                break
            page.append(session)
        return page


# --- objects of one's own -------------------------------------------------------------------------


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


# --- bad arguments --------------------------------------------------------------------------------


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


# --- many at once ---------------------------------------------------------------------------------


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


# --- lifecycle ------------------------------------------------------------------------------------


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


# --- conditional writes ---------------------------------------------------------------------------


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


# --- leases ---------------------------------------------------------------------------------------


@breaks("lease_has_one_holder")
class LeasesToEverybody(DictStorage):
    async def acquire(self, lease):
        await super().acquire(lease)
        return True


@breaks("lease_has_one_holder")
class RenewsNoLease(DictStorage):
    async def acquire(self, lease):
        return lease[0] not in self.backend.leases and await super().acquire(lease)


@breaks("lease_has_one_holder")
class ReleasesAnyLease(DictStorage):
    async def release(self, lease):
        self.backend.leases.pop(lease[0], None)


@breaks("lease_has_one_holder")
class ReleasesNoLease(DictStorage):
    async def release(self, lease):
        pass


@breaks("lease_has_one_holder")
class IgnoresTheCaseOfLeases(DictStorage):
    async def acquire(self, lease):
        name, holder, milliseconds = lease
        return await super().acquire((name.lower(), holder, milliseconds))

    async def release(self, lease):
        name, holder = lease
        await super().release((name.lower(), holder))


@breaks("lease_has_one_holder")
class IgnoresTheCaseOfHolders(DictStorage):
    async def acquire(self, lease):
        name, holder, milliseconds = lease
        return await super().acquire((name, holder.lower(), milliseconds))


@breaks("lease_ends_when_its_time_is_over")
class LeasesForTooLong(DictStorage):
    async def acquire(self, lease):
        name, holder, milliseconds = lease
        return await super().acquire((name, holder, milliseconds * 1000))


@breaks("lease_ends_when_its_time_is_over")
class KeepsTheFirstEndOfALease(DictStorage):
    async def acquire(self, lease):
        name, holder, _ = lease
        if self.backend.leases.get(name, ("", 0))[0] == holder:
            return True
        return await super().acquire(lease)


@breaks("lease_ends_when_its_time_is_over")
class TakesAShortLeaseForNone(DictStorage):
    async def acquire(self, lease):
        return lease[2] > 1 and await super().acquire(lease)


@breaks("leases_are_no_sessions")
class KeepsLeasesAmongSessions(DictStorage):
    async def acquire(self, lease):
        name, holder, _ = lease
        row = Session(id=name, shop=name, state=holder, is_online=False)
        return self.backend.rows.setdefault(name, row).state == holder


@breaks("leases_are_no_sessions")
class DeletesTheLeaseOfASession(DictStorage):
    async def remove(self, ids):
        for id in ids:
            self.backend.leases.pop(id, None)
        return await super().remove(ids)


@breaks("two_storages_do_not_both_have_a_lease")
class LeasesInItsProcessAlone(FiveMethodsStorage):
    leases = "backend"


# --- failures -------------------------------------------------------------------------------------


@breaks("failures_are_logged_by_default")
class SwallowsFailures(DictStorage):
    def fail(self, failure, cause, result):
        return super().fail(failure, cause, result) if self.on_error == "raise" else result


@breaks("failures_are_logged_by_default")
class LogsFailuresAsWarnings(DictStorage):
    def fail(self, failure, cause, result):
        if self.on_error == "raise":
            return super().fail(failure, cause, result)
        LOGGER.warning("%s", failure)
        return result


@breaks("failures_are_logged_by_default")
class AlwaysRaises(DictStorage):
    def fail(self, failure, cause, result):
        raise failure from cause


@breaks("failures_are_logged_by_default")
class SaysThatAFailedStoreIsStored(DictStorage):
    def fail(self, failure, cause, result):
        return super().fail(failure, cause, result is False or result)


@breaks("failures_can_be_raised")
class NeverRaises(DictStorage):
    def fail(self, failure, cause, result):
        LOGGER.error("%s", failure)
        return result


@breaks("failures_can_be_raised")
class RaisesTheDriversError(DictStorage):
    def fail(self, failure, cause, result):
        if self.on_error == "raise":
            raise cause
        return super().fail(failure, cause, result)


@breaks("failures_can_be_raised")
class RaisesWithoutACause(DictStorage):
    def fail(self, failure, cause, result):
        return super().fail(failure, None, result)


@breaks("ready_tells_the_failure")
class ReadyHidesTheFailure(DictStorage):
    async def ready(self):
        pass


@breaks("ready_tells_the_failure")
class ReadyFollowsOnError(DictStorage):
    async def ready(self):
        try:
            await super().ready()
        except SessionStorageUnavailableError:
            if self.on_error == "raise":
                raise


@breaks("ready_tells_the_failure")
class IsReadyRaises(DictStorage):
    async def is_ready(self):
        await self.ready()
        return True


@breaks("bad_arguments_raise_before_anything_is_sent")
class ChecksOnlyWhatReachesTheBackend(DictStorage):
    async def load_session(self, id):
        if self.broken:
            return await self.ask("load a session", self.get, id, failed=None)
        return await super().load_session(id)


@breaks("bad_arguments_raise_before_anything_is_sent")
class ChecksSessionsOnlyWhenTheyReachTheBackend(DictStorage):
    async def store_session(self, session):
        if self.broken:
            return await self.ask("store a session", self.put, session, failed=False)
        return await super().store_session(session)


@breaks("comparing_and_leasing_raise_failures")
class ComparingFollowsOnError(DictStorage):
    async def compare_and_store(self, session, expected):
        check_comparison(session, expected)
        return await self.ask("compare", self.swap, (session, expected), failed=False)


@breaks("comparing_and_leasing_raise_failures")
class LeasingFollowsOnError(DictStorage):
    async def acquire_lease(self, name, holder, ttl):
        milliseconds = check_lease(name, holder, ttl)
        return await self.ask("lease", self.acquire, (name, holder, milliseconds), failed=False)


@breaks("comparing_and_leasing_raise_failures")
class TakesAFailureForNoSession(FiveMethodsStorage):
    async def is_ready(self):
        return True


@breaks("comparing_and_leasing_raise_failures")
class TokenInTheMessageOfAComparison(DictStorage):
    async def compare_and_store(self, session, expected):
        check_comparison(session, expected)
        return await self.insist(f"compare {session.to_dict()}", self.swap, (session, expected))


@breaks("comparing_and_leasing_check_their_arguments")
class ComparesDifferentSessions(DictStorage):
    async def compare_and_store(self, session, expected):
        expected = expected and changed(expected, id=session.id)
        return await super().compare_and_store(session, expected)


@breaks("comparing_and_leasing_check_their_arguments")
class LeasesForNoTime(DictStorage):
    async def acquire_lease(self, name, holder, ttl):
        return await super().acquire_lease(name, holder, max(ttl, timedelta(milliseconds=1)))


@breaks("comparing_and_leasing_check_their_arguments")
class ReleasesUnnamedLeases(DictStorage):
    async def release_lease(self, name, holder):
        await super().release_lease(name or "name", holder)


@breaks("failures_show_no_token")
class LogsTokens(DictStorage):
    async def put(self, session):
        LOGGER.debug("storing %s", session.refresh_token)
        return await super().put(session)


@breaks("failures_show_no_token")
class TokenInTheMessage(DictStorage):
    async def store_session(self, session):
        check_session(session)
        doing = f"store {session.to_dict()}"
        return await self.ask(doing, self.put, stored_session(session), failed=False)


@breaks("failures_show_no_token")
class TokenInTheCause(DictStorage):
    async def send(self, work, argument):
        if self.broken and isinstance(argument, Session):
            raise ConnectionRefusedError(f"not inserted: ({argument.access_token})")
        return await super().send(work, argument)


@breaks("failures_show_no_token")
class TokenInAnAttributeOfTheCause(DictStorage):
    async def send(self, work, argument):
        try:
            return await super().send(work, argument)
        except ConnectionRefusedError as error:
            if isinstance(argument, Session):
                error.detail = f"row: ({argument.access_token})"
            raise
