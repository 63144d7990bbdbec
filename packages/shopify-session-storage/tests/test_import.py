"""Importing core costs nothing but the standard library."""

import subprocess
import sys

import pytest

FOREIGN_MODULES = """
import sys
before = set(sys.modules)
import {module}
imported = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*sorted(imported - sys.stdlib_module_names - {{"shopify_session_storage"}}))
"""


def run(program):
    return subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", program],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout.strip()


@pytest.mark.parametrize(
    "module",
    [
        "shopify_session_storage",
        "shopify_session_storage.access_tokens",
        "shopify_session_storage.cli",
        "shopify_session_storage.testing",
    ],
)
def test_only_the_standard_library_is_imported(module):
    assert run(FOREIGN_MODULES.format(module=module)) == ""


def test_the_battery_brings_pytest_only_when_its_class_is_used():
    program = """
import sys
from shopify_session_storage.testing import battery_of_tests
assert "pytest" not in sys.modules
from shopify_session_storage.testing import SessionStorageBattery
assert "pytest" in sys.modules
"""
    run(program)


def test_everything_public_is_there():
    run(
        "from shopify_session_storage import *\nfrom shopify_session_storage.testing import *"
        "\nfrom shopify_session_storage.access_tokens import *"
    )
