"""The battery as a pytest class, one test per case."""

import shutil
from pathlib import Path

import pytest
from shopify_session_storage.testing import CASES

pytest_plugins = ["pytester"]


ADAPTER_TESTS = """
    import pytest, pytest_asyncio
    from shopify_session_storage.testing import SessionStorageBattery
    from mutants import Backend, DictStorage
    from mutants.deleting import DeletesNothing

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
    shutil.copytree(Path(__file__).parent / "mutants", pytester.path / "mutants")
    pytester.makepyfile(test_adapter=ADAPTER_TESTS)
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
