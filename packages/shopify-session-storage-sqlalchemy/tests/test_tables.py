"""Tables: ours, the user's, Alembic's view of them, and the other adapters beside us."""

from datetime import datetime

import pytest
from shopify_session_storage import (
    MigrationError,
    SessionStorageUnavailableError,
    open_session_storage,
)
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_sqlalchemy import (
    SQLAlchemySessionStorage,
    leases_table,
    sessions_table,
)
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    inspect,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .conftest import SHOP, drop, engine_on, table_name
from .tables import MINUTE, declared, works

# aiosqlite's thread of a connection whose event loop has ended says so on its way out.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


def _described(connection, name):
    """Return the columns and the indexes of a table."""
    inspector = inspect(connection)
    columns = [
        (one["name"], repr(one["type"]).lower(), one["nullable"])
        for one in inspector.get_columns(name)
    ]
    indexes = sorted(
        (i["name"].replace(name, ""), i["column_names"]) for i in inspector.get_indexes(name)
    )
    return columns, indexes, inspector.get_pk_constraint(name)["constrained_columns"]


@pytest.mark.asyncio
async def test_the_adapter_for_the_database_makes_the_same_tables_and_shares_them(engine, url):
    _, table, leases = declared()
    address = url.set(drivername=url.get_backend_name().replace("mariadb", "mysql"))
    address = address.render_as_string(hide_password=False)
    theirs = table_name()
    session = offline_session(SHOP)
    async with (
        SQLAlchemySessionStorage(engine, table, create=True, on_error="raise") as storage,
        engine.connect() as connection,
    ):
        mine = await connection.run_sync(_described, table.name)
        my_leases = await connection.run_sync(_described, leases.name)
        await connection.rollback()
        options = {"on_error": "raise"}
        async with open_session_storage(
            address, session_table_name=table.name, **options
        ) as other:  # opens what this one has made
            assert await connection.run_sync(_described, table.name) == mine
            assert await storage.store_session(session)
            assert session.equals(await other.load_session(session.id))
            assert await storage.acquire_lease("a", "me", MINUTE) is True
            assert await other.acquire_lease("a", "you", MINUTE) is False
        await connection.rollback()
        async with open_session_storage(address, session_table_name=theirs, **options) as other:
            assert await connection.run_sync(_described, theirs) == mine
            assert await connection.run_sync(_described, f"{theirs}_leases") == my_leases
            _, its_table, its_leases = declared(theirs)
            reader = SQLAlchemySessionStorage(engine, its_table, on_error="raise")
            online = online_session(SHOP, 3)
            assert await other.store_session(online)
            assert online.equals(await reader.load_session(online.id))
            assert await reader.delete_session(online.id)
            await works(reader)
            await reader.disconnect()
        await connection.rollback()
    await drop(engine, table, leases, its_table, its_leases)


def mapped(name):
    """Return a mapped class of the user's, with names, types and further columns of their own."""

    class Base(DeclarativeBase):
        pass

    class ShopSession(Base):
        __tablename__ = name
        number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
        key: Mapped[str] = mapped_column("id", String(255), unique=True)
        shop: Mapped[str] = mapped_column(String(255), index=True)
        state: Mapped[str] = mapped_column(Text)
        is_online: Mapped[bool]
        scope: Mapped[str | None] = mapped_column(Text)
        expires: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
        access_token: Mapped[str | None] = mapped_column(Text)
        refresh_token: Mapped[str | None] = mapped_column(Text)
        refresh_token_expires: Mapped[datetime | None]
        user_id: Mapped[int | None] = mapped_column(BigInteger)
        first_name: Mapped[str | None] = mapped_column(Text)
        last_name: Mapped[str | None] = mapped_column(Text)
        email: Mapped[str | None] = mapped_column(Text)
        locale: Mapped[str | None] = mapped_column(Text)
        email_verified: Mapped[bool | None]
        account_owner: Mapped[bool | None]
        collaborator: Mapped[bool | None]
        created_at: Mapped[datetime] = mapped_column(server_default=func.now())
        seen_by: Mapped[str] = mapped_column(String(20), default="nobody")

    return ShopSession


@pytest.mark.asyncio
async def test_a_mapped_class_with_names_types_and_columns_of_its_own(engine):
    model = mapped(table_name())
    async with SQLAlchemySessionStorage(engine, model, create=True, on_error="raise") as storage:
        await works(storage)
    await drop(engine, model.__table__, leases_table(MetaData(), f"{model.__tablename__}_leases"))


@pytest.mark.asyncio
async def test_ids_that_a_collation_confuses_do_not_overwrite_each_other(engine):
    model = mapped(table_name())
    upper, lower = offline_session(SHOP, id="Id"), offline_session(SHOP, id="id")
    async with SQLAlchemySessionStorage(engine, model, create=True) as storage:
        assert await storage.store_session(upper)
        stored = await storage.store_session(lower)  # False, where they are one id for the table
        assert upper.equals(await storage.load_session("Id"))
        assert (await storage.load_session("id") is not None) == stored
        assert await storage.delete_session("ID") is True
        assert upper.equals(await storage.load_session("Id"))
        assert await storage.compare_and_delete(upper) is True
    await drop(engine, model.__table__, leases_table(MetaData(), f"{model.__tablename__}_leases"))


@pytest.mark.asyncio
async def test_a_table_that_is_missing_is_told_with_its_sql(engine):
    _, table, _ = declared()
    storage = SQLAlchemySessionStorage(engine, table)
    with pytest.raises(MigrationError, match=f"CREATE TABLE {table.name}"):
        await storage.ready()
    assert await storage.is_ready() is False
    await storage.disconnect()


async def run(engine, sql):
    async with engine.begin() as connection:
        for statement in filter(str.strip, sql.split(";\n")):
            await connection.exec_driver_sql(statement)


@pytest.mark.asyncio
async def test_the_sql_that_creates_what_is_missing(engine):
    _, table, leases = declared()
    storage = SQLAlchemySessionStorage(engine, table, on_error="raise")
    sql = await storage.migration_sql()
    assert await storage.migration_sql() == sql  # nothing has changed
    await run(engine, sql)
    async with storage:
        assert await storage.migration_sql() == ""
        await works(storage)
    await drop(engine, leases)
    async with engine.begin() as connection:
        await connection.run_sync(next(iter(table.indexes)).drop)
    sql = await storage.migration_sql()
    assert f"CREATE TABLE {table.name} " not in sql
    await run(engine, sql)
    assert await storage.migration_sql() == ""
    await drop(engine, table, leases)


@pytest.mark.asyncio
async def test_no_sql_of_a_database_that_cannot_be_reached(tmp_path):
    """Whatever on_error says: an empty answer would mean that nothing is missing."""
    async with engine_on(f"sqlite+aiosqlite:///{tmp_path}/no such directory/file.db") as engine:
        with pytest.raises(SessionStorageUnavailableError):
            await SQLAlchemySessionStorage(engine).migration_sql()


@pytest.mark.asyncio
async def test_leases_without_a_table_are_told_with_its_sql(engine):
    _, table, _ = declared()
    async with engine.begin() as connection:
        await connection.run_sync(table.create)
    async with SQLAlchemySessionStorage(engine, table, on_error="raise") as storage:
        with pytest.raises(MigrationError, match=f"CREATE TABLE {table.name}_leases"):
            await storage.acquire_lease("a", "me", MINUTE)
        assert await storage.find_sessions_by_shop(SHOP) == []
    await drop(engine, table)


@pytest.mark.asyncio
async def test_what_the_database_lacks_of_the_declared_table_is_told(engine):
    name = table_name()
    _, table, _ = declared(name)
    old = Table(name, MetaData(), *(c._copy() for c in table.columns if c.name != "refreshToken"))
    async with engine.begin() as connection:
        await connection.run_sync(old.create)
    storage = SQLAlchemySessionStorage(engine, table)
    with pytest.raises(MigrationError, match="has no column refreshToken"):
        await storage.ready()
    with pytest.raises(MigrationError, match="has no column refreshToken"):
        await storage.migration_sql()
    await drop(engine, old)
    keyless = Table(name, MetaData(), *(Column(c.name, c.type) for c in table.columns))
    async with engine.begin() as connection:
        await connection.run_sync(keyless.create)
    with pytest.raises(MigrationError, match="no primary key"):
        await storage.ready()
    await storage.disconnect()
    await drop(engine, keyless)


def changed(**changes):
    """Return a table like ours with some columns changed, or left out."""
    table = Table("t", MetaData())
    for column in sessions_table(MetaData()).columns:
        change = changes.get(column.name, column._copy())
        for one in change if isinstance(change, list) else [change]:
            if one is not None:
                table.append_column(one)
    return table


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (changed(refreshToken=None), "has no column refreshToken"),
        (changed(scope=[Column("scope", Text), Column("Scope_", Text)]), "mean the same"),
        (changed(scope=Column("scope", Text, nullable=False)), "scope .* must take NULL"),
        (changed(scope=[Column("scope", Text), Column("x", Text, nullable=False)]), "x .* default"),
        (changed(id=Column("id", String(255))), "primary key"),
    ],
)
@pytest.mark.asyncio
async def test_a_table_that_cannot_hold_sessions_is_refused(table, words, engine):
    with pytest.raises(ValueError, match=words):
        SQLAlchemySessionStorage(engine, table)


def test_a_unique_constraint_does_as_a_key():
    from shopify_session_storage_sqlalchemy.columns import columns_of

    number = Column("number", Integer, primary_key=True)
    table = changed(id=[number, Column("id", String(255), nullable=False)])
    table.append_constraint(UniqueConstraint(table.c.id))
    assert columns_of(table)[0] is table.c.id
