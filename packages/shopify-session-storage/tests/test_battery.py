"""The battery: a correct storage passes it, and each broken one fails the case named for it."""

import asyncio
import warnings
from pathlib import Path

import pytest
from shopify_session_storage import testing
from shopify_session_storage.testing import CASES, battery_of_tests, cases

from .mutants import CORRECT, MUTANTS, Backend, DictStorage, FiveMethodsStorage

pytest_plugins = ["pytester"]


def factories(kind):
    """Both factories, on one backend."""
    backend = Backend()

    def failing(on_error):
        return kind(backend, on_error=on_error, broken=True)

    return lambda: kind(backend), failing


async def failed_cases(kind):
    storage_factory, failing_storage_factory = factories(kind)
    try:
        await battery_of_tests(storage_factory, failing_storage_factory=failing_storage_factory)
    except ExceptionGroup as error:
        group = error
    else:
        return []
    notes = [error.__notes__[-1] for error in group.exceptions]
    names = [note.removeprefix("case ").split(":")[0] for note in notes]
    assert str(group).startswith(f"{len(names)} of {len(CASES)} cases failed: {', '.join(names)} (")
    return names


# --- correct and broken storages ------------------------------------------------------------------


@pytest.mark.parametrize("kind", CORRECT)
@pytest.mark.asyncio
async def test_a_correct_storage_passes_every_case(kind):
    storage_factory, failing_storage_factory = factories(kind)
    backend_level = {"conditional_writes", "leases"} if kind is FiveMethodsStorage else set()
    not_run = [case.name for case in CASES if not backend_level.isdisjoint(case.needs)]
    report = await battery_of_tests(
        storage_factory, failing_storage_factory=failing_storage_factory
    )
    assert report.passed == [case.name for case in CASES if case.name not in not_run]
    assert list(report.not_run) == not_run


@pytest.mark.parametrize(
    ("kind", "case"), [pytest.param(*mutant, id=mutant[0].__name__) for mutant in MUTANTS]
)
@pytest.mark.asyncio
async def test_a_broken_storage_fails_the_case_named_for_it(kind, case, monkeypatch):
    monkeypatch.setattr(cases, "_PATIENCE_SECONDS", 0.5)  # several wait for what never comes
    assert case in await failed_cases(kind)


def test_every_case_can_fail():
    assert {case.name for case in CASES} == {case for _, case in MUTANTS}


def test_cases_have_a_promise_and_a_name_of_their_own():
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(case.promise.endswith(".") for case in CASES)


# --- the plain function ---------------------------------------------------------------------------


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
            asyncio.get_running_loop().call_later(0.001, self.found().update, self.backend.rows)
            return True

        async def remove(self, ids):
            await super().remove(ids)
            loop = asyncio.get_running_loop()
            for id in ids:
                loop.call_later(0.001, self.found().pop, id, None)
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


# --- the pytest class -----------------------------------------------------------------------------

ADAPTER_TESTS = """
    import pytest, pytest_asyncio
    from shopify_session_storage.testing import SessionStorageBattery
    from mutants import Backend, DictStorage, DeletesNothing

    class Base(SessionStorageBattery):
        @pytest.fixture
        def backend(self):
            return Backend()

        @pytest_asyncio.fixture
        async def storage(self, backend):
            async with DictStorage(backend) as storage:
                yield storage

    class TestWithoutFactories(Base):
        pass

    class TestWithFactories(Base):
        @pytest.fixture
        def storage_factory(self, backend):
            return lambda: DictStorage(backend)

        @pytest.fixture
        def failing_storage_factory(self):
            return lambda on_error: DictStorage(Backend(), on_error=on_error, broken=True)

    class TestBroken(Base):
        @pytest_asyncio.fixture
        async def storage(self, backend):
            return DeletesNothing(backend)
"""


@pytest.fixture
def run(pytester):
    pytester.makepyfile(
        mutants=(Path(__file__).parent / "mutants.py").read_text(), test_adapter=ADAPTER_TESTS
    )
    pytester.makeini(
        "[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n"
    )
    return lambda *arguments: pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "-rs", "-v", *arguments
    )


def test_the_class_has_one_test_for_each_case_and_all_pass(run):
    result = run("-k", "TestWithFactories")
    result.assert_outcomes(passed=len(CASES), deselected=2 * len(CASES))
    result.stdout.fnmatch_lines(
        [f"*::TestWithFactories::test_contract[[]{case.name}[]] PASSED*" for case in CASES]
    )


def test_cases_without_their_factory_are_skipped_by_name(run):
    result = run("-k", "TestWithoutFactories")
    factories = {"further", "failing"}
    needing = {case.name: case.needs for case in CASES if not factories.isdisjoint(case.needs)}
    result.assert_outcomes(
        passed=len(CASES) - len(needing), skipped=len(needing), deselected=2 * len(CASES)
    )
    result.stdout.fnmatch_lines_random(
        [
            f"SKIPPED*: {name} could not run: no {needs[0]} storage factory"
            for name, needs in needing.items()
        ]
    )


def test_a_broken_storage_fails_with_the_promise_and_can_be_selected(run):
    result = run("-k", "TestBroken and delete_removes_the_session")
    result.assert_outcomes(failed=1, deselected=3 * len(CASES) - 1)
    result.stdout.fnmatch_lines(
        [
            "E*a deleted session: expected None, got*",
            "E*case delete_removes_the_session: A deleted session is neither loaded nor found*",
        ]
    )


def test_importing_the_class_alone_collects_nothing(run, pytester):
    pytester.makepyfile(
        test_adapter="from shopify_session_storage.testing import SessionStorageBattery"
    )
    assert run().ret == pytest.ExitCode.NO_TESTS_COLLECTED
