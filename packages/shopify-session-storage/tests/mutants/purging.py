"""Storages with one behaviour broken each: deleting what is dead."""

from datetime import UTC, datetime

from shopify_session_storage.retention import PurgeReport, is_dead

from .breaking import breaks
from .storages import DictStorage, IndexedStorage


class Purging(DictStorage):
    """One with a purge of its own."""

    async def purge_expired(self, *, before=None, offline=False, batch=500, dry_run=False):
        await super().purge_expired(before=before, offline=offline, batch=batch, dry_run=True)
        rows = list(self.backend.rows.values())
        dead = [row for row in rows if self.is_dead(row, before, offline)]
        if not dry_run:
            await self.remove([row.id for row in dead])
        return PurgeReport(len(rows), len(dead))

    def is_dead(self, row, before, offline):
        return is_dead(row, before, offline=offline)


@breaks("purge_deletes_the_dead_alone")
class TakesAnyExpiredSessionForDead(Purging):
    def is_dead(self, row, before, offline):
        return row.expires is not None and row.expires < before


@breaks("purge_deletes_the_dead_alone")
class PurgesWhatNeverExpires(Purging):
    def is_dead(self, row, before, offline):
        return row.expires is None or super().is_dead(row, before, offline)


@breaks("purge_deletes_the_dead_alone")
class PurgesNothing(Purging):
    def is_dead(self, row, before, offline):
        return False


@breaks("purge_deletes_the_dead_alone")
class PurgesFromNowOn(Purging):
    def is_dead(self, row, before, offline):
        return super().is_dead(row, datetime.now(UTC), offline)


@breaks("purge_deletes_dead_offline_sessions_if_told")
class ForgetsTheRefreshToken(Purging):
    def is_dead(self, row, before, offline):
        expired = row.expires is not None and row.expires < before
        return (offline or row.is_online) and expired


@breaks("purge_deletes_dead_offline_sessions_if_told")
class TakesAnUnknownEndForOneThatIsOver(Purging):
    def is_dead(self, row, before, offline):
        ends = row.refresh_token_expires or before
        expired = row.expires is not None and row.expires < before and ends <= before
        return (offline or row.is_online) and expired


@breaks("purge_deletes_dead_offline_sessions_if_told")
class KeepsOfflineSessions(Purging):
    def is_dead(self, row, before, offline):
        return super().is_dead(row, before, False)


@breaks("purge_deletes_dead_offline_sessions_if_told")
class PurgeLeavesItsIndex(IndexedStorage):
    async def drop(self, expected):
        return await DictStorage.remove(self, [expected.id])

    async def find(self, shop):
        return [self.read(self.backend.rows[id]) for id in self.backend.ids_by_shop.get(shop, [])]


@breaks("purge_can_be_tried")
class TriesInEarnest(DictStorage):
    async def purge_expired(self, *, dry_run=False, **arguments):
        return await super().purge_expired(**arguments)


@breaks("purge_can_be_tried")
class CountsNothingWhenItTries(Purging):
    async def purge_expired(self, *, dry_run=False, **arguments):
        report = await super().purge_expired(dry_run=dry_run, **arguments)
        return PurgeReport(report.examined, 0) if dry_run else report


@breaks("purge_leaves_what_is_refreshed_meanwhile")
class PurgesByIdAlone(DictStorage):
    async def drop(self, expected):
        return await self.remove([expected.id])


@breaks("purge_checks_its_arguments")
class PurgesFirst(Purging):
    async def purge_expired(self, *, before=None, **arguments):
        dead = [row.id for row in self.backend.rows.values() if row.expires.year == 1970]
        await self.remove(dead)
        return await super().purge_expired(before=before, **arguments)


@breaks("purge_checks_its_arguments")
class TakesAnyFlag(DictStorage):
    async def purge_expired(self, *, offline=False, dry_run=False, **arguments):
        return await super().purge_expired(
            offline=bool(offline), dry_run=bool(dry_run), **arguments
        )
