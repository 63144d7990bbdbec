"""Looking at the tables of a storage without creating or altering anything."""

from shopify_session_storage.session import Session
from shopify_session_storage.sql.storage import SqlSessionStorage
from shopify_session_storage.sql.tables import SqlTables
from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.stored import COLUMNS


def look_only(storage: SqlTables) -> None:
    """Let *storage* open without a migration, from now on."""
    if not storage._layout.owned:  # there is none
        return

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
    if not storage._layout.owned:
        return []  # it has been looked at, and fits
    with storage._raising("look", "look at the tables"):
        async with storage._connection() as connection:
            existing = await storage._columns(connection)
    if not existing:
        return None
    return [name for name in COLUMNS if name not in existing]


def as_kept(storage: SessionStorage, session: Session) -> Session:
    """Return *session* as it comes back from a table that cannot hold all of it.

    Such tables belong to other programs: an access token or a flag may have to be something.
    """
    if not isinstance(storage, SqlSessionStorage) or storage._layout.owned:
        return session
    mapping = storage._mapping
    row = dict(zip(mapping.names, mapping.to_row(session), strict=True))
    return mapping.to_session([row.get(name) for name in COLUMNS])
