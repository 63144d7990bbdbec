"""The battery as a plain function, for any runner."""

import asyncio
import time
from contextlib import suppress

import pytest
from shopify_session_storage import check_comparison, check_expected, check_session, testing
from shopify_session_storage.testing import CASES, Subject, battery_of_tests
from shopify_session_storage.testing.differences import EMPTY_TOKEN_IS_NONE, unknown_is_false

from .battery_runs import arguments, failed_cases
from .mutants import Backend, BreakableBackend, DictStorage


@pytest.mark.parametrize(
    ("need", "argument"),
    [("failing", "failing_storage_factory"), ("breakable", "breakable")],
)
@pytest.mark.asyncio
async def test_cases_that_cannot_run_are_reported_and_warned_of(need, argument):
    needing = [case.name for case in CASES if need in case.needs]
    given = arguments(DictStorage) | {argument: None}
    with pytest.warns(UserWarning, match="could not run: " + ", ".join(needing)):
        report = await battery_of_tests(**given)
    not_run = [name for name, why in report.not_run.items() if why == f"no {argument} was given"]
    assert not_run == needing
    assert sorted([*report.passed, *report.not_run]) == sorted(case.name for case in CASES)


@pytest.mark.asyncio
async def test_cases_that_do_not_concern_a_storage_are_reported_but_not_warned_of():
    lacks = {"processes", "another_loop", "failing"}
    report = await battery_of_tests(**arguments(DictStorage) | {"lacks": lacks})
    assert report.not_run == {
        case.name: f"the storage lacks {next(need for need in case.needs if need in lacks)}"
        for case in CASES
        if not lacks.isdisjoint(case.needs)
    }


@pytest.mark.asyncio
async def test_failures_are_one_group_with_a_named_error_for_each_case():
    class Broken(DictStorage):
        async def remove(self, ids):
            return False

    with pytest.raises(ExceptionGroup, match="delete_removes_the_session") as caught:
        await battery_of_tests(**arguments(Broken))
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

    class Breakable(BreakableBackend):
        async def make(self, on_error):
            await asyncio.sleep(0)
            return super().make(on_error)

    await battery_of_tests(
        make,
        failing_storage_factory=lambda on_error: make(on_error, broken=True),
        breakable=(breakable := Breakable(Counted)),
        lacks={"processes"},
    )
    assert len(made) > len(CASES)
    assert connected == set()
    assert backend.rows == breakable.backend.rows == {}


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
async def test_a_case_that_does_not_end_fails_by_name_and_is_cleaned_up_after():
    backend = Backend()

    class HangsWhenItFinds(DictStorage):
        """Once, and does not even end when it is cancelled."""

        hung = 0

        async def find_sessions_by_shop(self, shop):
            found = await super().find_sessions_by_shop(shop)
            if len(found) == 61 and not self.hung:
                self.hung += 1
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(60)
                await asyncio.sleep(60)
            return found

    given = arguments(DictStorage) | {"storage_factory": lambda: HangsWhenItFinds(backend)}
    started = time.monotonic()
    with pytest.raises(ExceptionGroup) as caught:
        await battery_of_tests(**given, case_timeout=2)
    assert time.monotonic() - started < 50
    [error] = caught.value.exceptions
    assert str(error) == "ran into its time limit (2 s)"
    assert error.__notes__[-1].startswith("case find_returns_all_of_the_shop: ")
    assert backend.rows == {}


@pytest.mark.asyncio
async def test_cleaning_up_has_a_time_limit_too():
    class HangsWhenItDisconnects(DictStorage):
        async def disconnect(self):
            await asyncio.sleep(60)

    case = next(case for case in CASES if case.name == "unknown_id_is_none")
    subject = Subject(HangsWhenItDisconnects(Backend()), case_timeout=0.1, owned=True)
    with pytest.raises(AssertionError, match="ran into its time limit") as caught:
        await subject.run(case)
    assert caught.value.__notes__ == [f"case {case.name}: {case.promise}"]


@pytest.mark.asyncio
async def test_the_failure_of_a_case_is_not_hidden_by_a_failure_to_clean_up():
    class FindsAndDeletesNothing(DictStorage):
        async def find(self, shop):
            return None

    with pytest.raises(ExceptionGroup) as caught:
        await battery_of_tests(**arguments(FindsAndDeletesNothing))
    [error] = [
        error
        for error in caught.value.exceptions
        if "unknown_shop_has_no_sessions" in error.__notes__[-1]
    ]
    assert "returned NoneType" in str(error)


@pytest.mark.asyncio
async def test_finds_may_take_their_time_where_the_backend_converges():
    class Converging(DictStorage):
        """A find sees what there was at the find before."""

        async def find(self, shop):
            rows = self.backend.ids_by_shop.values()
            found = [self.read(row) for row in rows if row.shop == shop]
            self.backend.ids_by_shop = dict(self.backend.rows)
            return found

    report = await battery_of_tests(**arguments(Converging), eventual_seconds=60)
    assert "find_returns_all_of_the_shop" in report.passed
    name = "find_returns_all_of_the_shop"
    assert await failed_cases(Converging, only=name) == [name]


def test_the_plain_function_needs_no_pytest():
    assert "SessionStorageBattery" in testing.__all__
    assert testing.SessionStorageBattery.__name__ == "SessionStorageBattery"
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = testing.Nothing


@pytest.mark.asyncio
async def test_what_a_layout_cannot_hold_is_declared_and_left_out_of_no_case():
    class LosesEmptyTokens(DictStorage):
        async def store_session(self, session):
            check_session(session)
            return await super().store_session(EMPTY_TOKEN_IS_NONE.kept(session))

        async def compare_and_store(self, session, expected):
            check_comparison(session, expected)
            kept = EMPTY_TOKEN_IS_NONE.kept
            expected = expected and kept(expected)
            return await super().compare_and_store(kept(session), expected)

        async def compare_and_delete(self, expected):
            check_expected(expected)
            return await super().compare_and_delete(EMPTY_TOKEN_IS_NONE.kept(expected))

    given = arguments(LosesEmptyTokens)
    with pytest.raises(ExceptionGroup, match="empty_strings_are_kept"):
        await battery_of_tests(**given)
    report = await battery_of_tests(**given, layout_allows=[EMPTY_TOKEN_IS_NONE])
    assert "empty_strings_are_kept" in report.passed
    with pytest.raises(ExceptionGroup, match="empty_strings_are_kept"):
        await battery_of_tests(**given, layout_allows=[unknown_is_false("collaborator")])
