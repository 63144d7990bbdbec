"""Storages with one behaviour broken each: failures."""

from datetime import timedelta

from shopify_session_storage import Session, SessionStorageUnavailableError
from shopify_session_storage.checks import (
    check_comparison,
    check_expected,
    check_lease,
    check_session,
)
from shopify_session_storage.stored import stored_session

from .breaking import breaks, changed
from .storages import LOGGER, DictStorage, FiveMethodsStorage


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
class ComparedDeletesFollowOnError(DictStorage):
    async def compare_and_delete(self, expected):
        check_expected(expected)
        return await self.ask("compare", self.drop, expected, failed=False)


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
class DeletesUncheckedSessions(DictStorage):
    async def compare_and_delete(self, expected):
        return await self.insist("compare", self.drop, expected)


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
