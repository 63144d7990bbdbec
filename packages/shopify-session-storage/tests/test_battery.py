"""The battery: a correct storage passes it, and each broken one fails the case named for it."""

import pytest
from shopify_session_storage.testing import CASES, assertions, battery_of_tests

from .battery_runs import arguments, failed_cases
from .mutants import CORRECT, MUTANTS, FileStorage, FiveMethodsStorage


@pytest.mark.parametrize("kind", CORRECT)
@pytest.mark.asyncio
async def test_a_correct_storage_passes_every_case(kind):
    lacking = {"processes"}
    if kind is FiveMethodsStorage:
        lacking |= {"conditional_writes", "leases", "scanning"}
    not_run = [case.name for case in CASES if not lacking.isdisjoint(case.needs)]
    report = await battery_of_tests(**arguments(kind))
    assert report.passed == [case.name for case in CASES if case.name not in not_run]
    assert list(report.not_run) == not_run


@pytest.mark.asyncio
async def test_a_correct_storage_of_several_processes_passes_their_cases():
    assert "forked_child_works" in [case.name for case in CASES if "processes" in case.needs]
    for case in CASES:
        if "another_loop" in case.needs:
            assert await failed_cases(FileStorage, only=case.name) == []


@pytest.mark.parametrize(
    ("kind", "case"), [pytest.param(*mutant, id=mutant[0].__name__) for mutant in MUTANTS]
)
@pytest.mark.asyncio
async def test_a_broken_storage_fails_the_case_named_for_it(kind, case, monkeypatch):
    monkeypatch.setattr(assertions, "PATIENCE_SECONDS", 0.5)  # several wait for what never comes
    monkeypatch.setattr(assertions, "PROMPT_SECONDS", 0.3)
    assert await failed_cases(kind, only=case) == [case]


def test_every_case_can_fail():
    assert {case.name for case in CASES} == {case for _, case in MUTANTS}


def test_cases_have_a_promise_and_a_name_of_their_own():
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(case.promise.endswith(".") for case in CASES)
