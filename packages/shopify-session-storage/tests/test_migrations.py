"""Migrations are applied once each, in order, and recorded when they are done."""

import pytest
from shopify_session_storage import (
    AbstractMigrationEngine,
    MigrationError,
    MigrationOperation,
    RdbmsSessionStorageMigratorOptions,
    RdbmsSessionStorageOptions,
    SessionStorageMigratorOptions,
)


class Engine(AbstractMigrationEngine[list[str]]):
    """Works on a list, and records in a set that outlives it."""

    recorded: set[str]

    async def init_migration_persistence(self) -> None:
        self.connection.append("init")

    async def has_migration_been_applied(self, migration_name: str) -> bool:
        return migration_name in self.recorded

    async def save_applied_migration(self, migration_name: str) -> None:
        self.connection.append(f"record {migration_name}")
        self.recorded.add(migration_name)


def engine(recorded: set[str], *names: str, failing: str = "") -> Engine:
    def operation(name: str) -> MigrationOperation[list[str]]:
        async def apply(connection: list[str]) -> None:
            if name == failing:
                raise RuntimeError("shpat_secret")
            connection.append(f"apply {name}")

        return MigrationOperation(name, apply)

    made = Engine([], SessionStorageMigratorOptions(), [operation(name) for name in names])
    made.recorded = recorded
    return made


@pytest.mark.asyncio
async def test_each_migration_is_applied_once_and_in_order():
    recorded: set[str] = set()
    first = engine(recorded, "a", "b")
    await first.apply_migrations()
    assert first.connection == ["init", "apply a", "record a", "apply b", "record b"]
    second = engine(recorded, "a", "b", "c")
    await second.apply_migrations()
    assert second.connection == ["init", "apply c", "record c"]


@pytest.mark.asyncio
async def test_failed_migration_is_named_not_recorded_and_tried_again():
    recorded: set[str] = set()
    with pytest.raises(MigrationError, match="'b'") as caught:
        await engine(recorded, "a", "b", "c", failing="b").apply_migrations()
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert "secret" not in str(caught.value)
    assert recorded == {"a"}
    again = engine(recorded, "a", "b", "c")
    await again.apply_migrations()
    assert again.connection == ["init", "apply b", "record b", "apply c", "record c"]


def test_two_migrations_cannot_have_one_name():
    with pytest.raises(ValueError, match="one name"):
        engine(set(), "a", "a")


def test_defaults_are_those_of_the_official_package():
    assert SessionStorageMigratorOptions() == SessionStorageMigratorOptions(
        migration_db_identifier="shopify_sessions_migrations"
    )
    options = RdbmsSessionStorageOptions()
    assert options.session_table_name == "shopify_sessions"
    assert options.migrator_options == RdbmsSessionStorageMigratorOptions(
        migration_db_identifier="shopify_sessions_migrations",
        migration_name_column_name="migration_name",
    )
