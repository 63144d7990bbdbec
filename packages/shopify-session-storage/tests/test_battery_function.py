"""The battery as a plain function, for any runner."""

import asyncio
import warnings

import pytest
from shopify_session_storage import testing
from shopify_session_storage.testing import CASES, battery_of_tests

from .battery_runs import factories, failed_cases
from .mutants import Backend, DictStorage


@pytest.mark.asyncio
async def test_cases_that_cannot_run_are_reported_and_warned_of():
    storage_factory, _ = factories(DictStorage)
    needing = [case.name for case in CASES if "failing" in case.needs]
    with pytest.warns(UserWarning, match="could not run: " + ", ".join(needing)):
        report = await battery_of_tests(storage_factory)
    assert list(report.not_run) == needing
    assert sorted([*report.passed, *report.not_run]) == sorted(case.name for case in CASES)


@pytest.mark.asyncio
async def test_failures_are_one_group_with_a_named_error_for_each_case():
    class Broken(DictStorage):
        async def remove(self, ids):
            return False

    storage_factory, _ = factories(Broken)
    with (
        warnings.catch_warnings(action="ignore"),
        pytest.raises(ExceptionGroup, match="delete_removes_the_session") as caught,
    ):
        await battery_of_tests(storage_factory)
    [error] = [
        error
        for error in caught.value.exceptions
        if "delete_removes_the_session" in error.__notes__[-1]
    ]
    assert str(error) == "delete_session: expected True, got False"
    assert "neither loaded nor found" in error.__notes__[-1]


@pytest.mark.asyncio
async def test_factories_may_be_async_and_what_they_make_is_disconnected():
    backend = Backend()
    made, connected = [], set()

    class Counted(DictStorage):
        async def send(self, work, argument):
            connected.add(self)
            return await super().send(work, argument)

        async def disconnect(self):
            connected.discard(self)

    async def make(on_error="log", *, broken=False):
        await asyncio.sleep(0)
        made.append(Counted(backend, on_error=on_error, broken=broken))
        return made[-1]

    await battery_of_tests(
        make, failing_storage_factory=lambda on_error: make(on_error, broken=True)
    )
    assert len(made) > len(CASES)
    assert connected == set()
    assert backend.rows == {}


@pytest.mark.asyncio
async def test_a_call_that_is_cancelled_by_nobody_is_a_failed_case():
    class CancelsFinds(DictStorage):
        async def find(self, shop):
            raise asyncio.CancelledError

    failed = await failed_cases(CancelsFinds)
    assert "find_returns_all_of_the_shop" in failed
    assert "unknown_id_is_none" not in failed


@pytest.mark.asyncio
async def test_the_battery_itself_can_be_cancelled():
    class Hangs(DictStorage):
        async def send(self, work, argument):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(failed_cases(Hangs), 0.01)


@pytest.mark.asyncio
async def test_the_failure_of_a_case_is_not_hidden_by_a_failure_to_clean_up():
    class FindsAndDeletesNothing(DictStorage):
        async def find(self, shop):
            return None

    storage_factory, _ = factories(FindsAndDeletesNothing)
    with warnings.catch_warnings(action="ignore"), pytest.raises(ExceptionGroup) as caught:
        await battery_of_tests(storage_factory)
    [error] = [
        error
        for error in caught.value.exceptions
        if "unknown_shop_has_no_sessions" in error.__notes__[-1]
    ]
    assert "returned NoneType" in str(error)


@pytest.mark.asyncio
async def test_finds_may_take_their_time_where_the_backend_converges():
    class Converging(DictStorage):
        """What was written in the last calls is not found yet."""

        async def put(self, session):
            await super().put(session)
            asyncio.get_running_loop().call_later(0.02, self.found().update, self.backend.rows)
            return True

        async def remove(self, ids):
            await super().remove(ids)
            loop = asyncio.get_running_loop()
            for id in ids:
                loop.call_later(0.02, self.found().pop, id, None)
            return True

        async def find(self, shop):
            return [self.read(row) for row in self.found().values() if row.shop == shop]

        def found(self):
            return self.backend.ids_by_shop

    storage_factory, failing_storage_factory = factories(Converging)
    report = await battery_of_tests(
        storage_factory, failing_storage_factory=failing_storage_factory, eventual_seconds=5
    )
    assert report.not_run == {}
    assert "find_returns_all_of_the_shop" in await failed_cases(Converging)


def test_the_plain_function_needs_no_pytest():
    assert "SessionStorageBattery" in testing.__all__
    assert testing.SessionStorageBattery.__name__ == "SessionStorageBattery"
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = testing.Nothing
