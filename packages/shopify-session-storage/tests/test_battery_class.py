"""The battery as a pytest class, one test per case."""

import shutil
from pathlib import Path

import pytest
from shopify_session_storage.testing import CASES

pytest_plugins = ["pytester"]


ADAPTER_TESTS = """
    import asyncio, pytest, pytest_asyncio
    from shopify_session_storage.testing import SessionStorageBattery
    from mutants import Backend, BreakableBackend, DictStorage
    from mutants.deleting import DeletesNothing

    class AnswersNothing(DictStorage):
        async def send(self, work, argument):
            await asyncio.sleep(60)

    class Base(SessionStorageBattery):
        lacks = frozenset({"processes"})

        @pytest.fixture
        def backend(self):
            return Backend()

        @pytest_asyncio.fixture
        async def storage(self, backend):
            async with DictStorage(backend) as storage:
                yield storage

    class TestWithoutFactories(Base):
        pass

    class TestFailing(Base):
        @pytest.fixture
        def failing_storage_factory(self):
            return lambda on_error: DictStorage(Backend(), on_error=on_error, broken=True)

    class TestWithFactories(TestFailing):
        @pytest.fixture
        def storage_factory(self, backend):
            return lambda: DictStorage(backend)

        @pytest.fixture
        def breakable(self):
            return BreakableBackend(DictStorage)

    class TestSlow(Base):
        case_timeout = 0.1

        @pytest_asyncio.fixture
        async def storage(self, backend):
            return AnswersNothing(backend)

    class TestBroken(Base):
        @pytest_asyncio.fixture
        async def storage(self, backend):
            return DeletesNothing(backend)
"""


@pytest.fixture
def run(pytester):
    shutil.copytree(Path(__file__).parent / "mutants", pytester.path / "mutants")
    pytester.makepyfile(test_adapter=ADAPTER_TESTS)
    pytester.makeini(
        "[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n"
    )
    return lambda *arguments: pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "-rs", "-v", *arguments
    )


CONCERNED = [case for case in CASES if "processes" not in case.needs]


def test_the_class_has_one_test_for_each_case_and_all_pass(run):
    result = run("-k", "TestWithFactories")
    result.assert_outcomes(passed=len(CONCERNED), deselected=4 * len(CONCERNED))
    result.stdout.fnmatch_lines(
        [f"*::TestWithFactories::test_contract[[]{case.name}[]] PASSED*" for case in CONCERNED]
    )


def test_cases_without_what_they_need_are_skipped_by_name(run):
    result = run("-k", "TestWithoutFactories")
    arguments = {"further": "storage_factory", "failing": "failing_storage_factory"}
    needing = {
        case.name: arguments[case.needs[0]] for case in CONCERNED if arguments.keys() & case.needs
    }
    result.assert_outcomes(
        passed=len(CONCERNED) - len(needing),
        skipped=len(needing),
        deselected=4 * len(CONCERNED),
    )
    result.stdout.fnmatch_lines_random(
        [
            f"SKIPPED*: {name} could not run: no {argument} was given"
            for name, argument in needing.items()
        ]
    )


def test_cases_of_outages_are_skipped_by_name_without_a_breakable_backend(run):
    result = run("-k", "TestFailing and works_again_when_the_backend_is_back")
    result.stdout.fnmatch_lines(
        ["SKIPPED*: works_again_when_the_backend_is_back could not run: no breakable was given"]
    )


def test_a_broken_storage_fails_with_the_promise_and_can_be_selected(run):
    result = run("-k", "TestBroken and delete_removes_the_session")
    result.assert_outcomes(failed=1, deselected=5 * len(CONCERNED) - 1)
    result.stdout.fnmatch_lines(
        [
            "E*a deleted session: expected None, got*",
            "E*case delete_removes_the_session: A deleted session is neither loaded nor found*",
        ]
    )


def test_a_case_that_does_not_end_fails(run):
    result = run("-k", "TestSlow and unknown_id_is_none")
    result.assert_outcomes(failed=1, deselected=5 * len(CONCERNED) - 1)
    result.stdout.fnmatch_lines(["E*ran into its time limit (0.1 s)*"])


def test_importing_the_class_alone_collects_nothing(run, pytester):
    pytester.makepyfile(
        test_adapter="from shopify_session_storage.testing import SessionStorageBattery"
    )
    assert run().ret == pytest.ExitCode.NO_TESTS_COLLECTED
