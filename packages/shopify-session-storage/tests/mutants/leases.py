"""Storages with one behaviour broken each: leases."""

from shopify_session_storage import Session

from .breaking import breaks
from .storages import DictStorage, FiveMethodsStorage


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
