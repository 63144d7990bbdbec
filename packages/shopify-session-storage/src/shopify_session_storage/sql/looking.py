"""Looking at the tables of a storage without creating or altering anything."""

from shopify_session_storage.sql.tables import SqlTables
from shopify_session_storage.stored import COLUMNS


def look_only(storage: SqlTables) -> None:
    """Let *storage* open without a migration, from now on."""

    async def open_as_it_is() -> None:
        await storage._open_connections()

    storage._open = open_as_it_is  # type: ignore[method-assign]  # of this object alone


async def missing_columns(storage: SqlTables) -> list[str] | None:
    """Return which columns a table lacks that has not been migrated; None if there is no table.

    Raises:
        MigrationError: If the table has another layout.
        SessionStorageError: If the database cannot be asked.
    """
    await storage.ready()
    with storage._raising("look at the tables"):
        async with storage._connection() as connection:
            existing = await storage._columns(connection)
    if not existing:
        return None
    return [name for name in COLUMNS if name not in existing]
