"""The encrypted storage keeps the promises of the contract on the real servers.

``--whole-battery`` runs the encrypted battery on every server.
"""

import asyncio

import pytest
from servers.places import NETWORKED
from shopify_session_storage.testing import battery_of_tests

from .encryption_rings import OLD_SEALS

# What is sealed takes more of the 300 kB that a session may have.
DIFFERENCES = {"long_texts_come_back"}


def pytest_generate_tests(metafunc):
    """Give the battery the backend on which it is quick, or all on request."""
    whole = metafunc.config.getoption("--whole-battery")
    metafunc.parametrize("backend", NETWORKED if whole else ["redis"])


def test_the_battery_passes_through_the_wrapper(backend, address):
    make = address(backend)

    async def failed():
        try:
            with pytest.warns(UserWarning, match="could not run"):
                await battery_of_tests(lambda: make(OLD_SEALS, on_error="log"))
        except ExceptionGroup as group:
            return {note.split(":")[0] for one in group.exceptions for note in one.__notes__[-1:]}
        return set()

    assert asyncio.run(failed()) == {f"case {name}" for name in DIFFERENCES}
