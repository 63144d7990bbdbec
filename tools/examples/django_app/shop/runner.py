"""Runs the app's tests."""

from typing import Any

from django.test.runner import DiscoverRunner

from shop.shopify import storage


class Runner(DiscoverRunner):
    """Django's runner, for which the storage is in the tests' own database, too."""

    def teardown_databases(self, *args: Any, **options: Any) -> None:
        """Disconnect first: PostgreSQL drops no database that somebody is connected to."""
        storage().disconnect()
        super().teardown_databases(*args, **options)
