"""The statements of a storage, made once for its tables and its database."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Delete,
    Insert,
    LargeBinary,
    Select,
    String,
    Table,
    Update,
    any_,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal_column,
    null,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Dialect

from shopify_session_storage_sqlalchemy.columns import behind, is_of_the_users
from shopify_session_storage_sqlalchemy.many_rows import ManyRows

_NOW: Final = {
    # Not now(), which is when the transaction began, before it had to wait for a row.
    "postgresql": "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
    # Not by way of the session's time zone, where an hour can come twice.
    "mysql": "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000",
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
}
_INSERTS: Final[dict[str, Any]] = {
    "postgresql": postgresql.insert,
    "mysql": mysql.insert,
    "sqlite": sqlite.insert,
}

_NOTHING: Final[ColumnElement[Any]] = literal_column("NULL", String)
_COUNTED: Final = {"preserve_rowcount": True}  # SQLAlchemy does not count what is inserted


class Statements:
    """The statements; all go by primary key or by the index on the shop.

    Args:
        columns: The columns of the table of sessions, in the order of ``COLUMNS``; None for one
            that it lacks.
        leases: The table of leases.
        dialect: The database's, after a first connection.
    """

    def __init__(
        self, columns: Sequence[Column[Any] | None], leases: Table, dialect: Dialect
    ) -> None:
        kind = "mysql" if dialect.name == "mariadb" else dialect.name
        self.is_mysql = kind == "mysql"
        # A driver makes one statement of many rows by itself, but not with MySQL 8's alias.
        self.has_alias = bool(getattr(dialect, "_requires_alias_for_on_duplicate_key", False))
        self._many_rows: ManyRows | None = None
        self._is_postgresql = kind == "postgresql"
        self._make_insert = _INSERTS[kind]
        self._now: ColumnElement[int] = literal_column(_NOW[kind], BigInteger)
        self._columns = [column for column in columns if column is not None]
        self._id, shop = self._columns[:2]  # which no table lacks
        self.id_key = self._id.key
        self._table: Any = self._id.table
        selected = [_NOTHING if column is None else column for column in columns]
        self._access, self._refresh = selected[6:8]
        has_id = self._is_one_of(self._id, "ids")
        self.all: Select[Any] = select(*selected).select_from(self._table)
        self.load = self.all.where(has_id)
        self.find = self.all.where(self._is_one_of(shop, "shops"))
        self.ids = select(self._id).where(has_id)
        self.delete: Delete = delete(self._table).where(has_id, *self._exactly("ids"))
        self.page: Select[Any] = self.all.order_by(self._id).limit(bindparam("batch"))
        self.next_page = self.page.where(self._id > bindparam("after"))
        self.upsert = self._upsert()
        if self.has_alias:
            self._many_rows = ManyRows.of(self.upsert, self._columns, dialect)
        self.insert = self._insert_new()
        self.replace = self._replace()
        self.has_types_of_the_users = any(map(is_of_the_users, (self._access, self._refresh)))
        self.delete_one = delete(self._table).where(*self._is_expected())
        self.delete_same = self._delete_same()
        self.acquire = self._acquire(leases)
        its_lease = leases.c.name == bindparam("its_name")
        self.release = delete(leases).where(its_lease, leases.c.holder == bindparam("its_holder"))
        self.holder = select(leases.c.holder).where(its_lease)

    def store(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert *rows*, or replace what is there."""
        if not self.has_alias or len(rows) == 1:
            connection.execute(self.upsert, rows).close()
        elif self._many_rows is not None:
            self._many_rows.run(connection, rows)
        else:
            connection.execute(self.upsert.values(rows)).close()

    def _is_one_of(self, column: Column[Any], name: str) -> ColumnElement[bool]:
        if self._is_postgresql:  # one statement for any number
            return column == any_(bindparam(name, type_=ARRAY(column.type)))
        return column.in_(bindparam(name, expanding=True))

    def _exactly(self, name: str) -> Sequence[ColumnElement[bool]]:
        """Return what is to be true, too, where the collation of ids may confuse them."""
        if not self.is_mysql:
            return ()
        return (self._exact(self._id).in_(bindparam(name, expanding=True)),)

    def _exact(self, text: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return what is the same for the same texts alone, byte by byte."""
        if not self.is_mysql or isinstance(behind(text.type), LargeBinary):
            return text
        converted = func.convert(text.op("USING")(literal_column("utf8mb4")))
        return type_coerce(cast(converted, mysql.BINARY), String)

    def _upsert(self) -> Insert:
        insert = self._make_insert(self._table)
        if not self.is_mysql:
            new = {column.key: insert.excluded[column.key] for column in self._columns[1:]}
            return insert.on_conflict_do_update(index_elements=[self._id], set_=new)  # type: ignore[no-any-return]
        new_id = insert.inserted[self._id.key]
        # What would overwrite somebody else's session is an error.
        same = self._exact(self._id) == self._exact(new_id)
        guard = (self._id.key, case((same, self._id), else_=null()))
        rest = [(column.key, insert.inserted[column.key]) for column in self._columns[1:]]
        return insert.on_duplicate_key_update([guard, *rest])  # type: ignore[no-any-return]

    def _insert_new(self) -> Insert:
        insert = self._make_insert(self._table)
        if not self.is_mysql:
            insert = insert.on_conflict_do_nothing(index_elements=[self._id])
        return insert.execution_options(**_COUNTED)  # type: ignore[no-any-return]

    def _replace(self) -> Update:
        """Return the UPDATE of a session that has the expected tokens."""
        return update(self._table).where(*self._is_expected())

    def _is_expected(self) -> Sequence[ColumnElement[bool]]:
        """Return what is true of the row with the expected id, if it has the expected tokens."""
        expected = bindparam("expected_id", type_=String())
        is_it = [self._id == expected, self._exact(self._id) == expected]
        access = self._is_same(self._access, "expected_access")
        refresh = self._is_same(self._refresh, "expected_refresh")
        return *is_it[: 1 + self.is_mysql], access, refresh

    def _is_same(self, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        # In a type of the user's, a token is compared as it is stored.
        value = bindparam(name, type_=column.type if is_of_the_users(column) else String())
        return self._exact(column).is_not_distinct_from(self._exact(value))

    def _delete_same(self) -> Delete:
        """Return the DELETE of those of many sessions that have the expected tokens."""
        # No token is the empty text, and each token begins with a dot: NULL is not IN anything.
        tokens = [
            func.coalesce(literal_column("'.'", String) + column, literal_column("''", String))
            for column in (self._access, self._refresh)
        ]
        row = tuple_(*map(self._exact, (self._id, *tokens)))
        return delete(self._table).where(
            self._is_one_of(self._id, "ids"), row.in_(bindparam("rows", expanding=True))
        )

    def _acquire(self, leases: Table) -> Insert:
        insert = self._make_insert(leases).execution_options(**_COUNTED)
        insert = insert.values(
            name=bindparam("its_name"),
            holder=bindparam("its_holder"),
            expires=self._now + bindparam("ttl", type_=BigInteger()),
        )
        holder, expires = leases.c.holder, leases.c.expires
        if not self.is_mysql:
            return insert.on_conflict_do_update(  # type: ignore[no-any-return]
                index_elements=[leases.c.name],
                set_={"holder": insert.excluded.holder, "expires": insert.excluded.expires},
                where=or_(holder == insert.excluded.holder, expires <= self._now),
            )
        free = or_(holder == insert.inserted.holder, expires <= self._now)
        # Right whether the second assignment sees the new holder, as on MySQL, or the old one.
        return insert.on_duplicate_key_update(  # type: ignore[no-any-return]
            [
                ("holder", case((free, insert.inserted.holder), else_=holder)),
                ("expires", case((free, insert.inserted.expires), else_=expires)),
            ]
        )


def expected_row(id: str, access: str | None, refresh: str | None) -> dict[str, str | None]:
    """Return the parameters by which a row is compared."""
    return {"expected_id": id, "expected_access": access, "expected_refresh": refresh}


def dotted(row: Mapping[str, str | None]) -> tuple[str | None, str, str]:
    """Return what ``delete_same`` compares a row with."""
    access, refresh = row["expected_access"], row["expected_refresh"]
    return row["expected_id"], _with_dot(access), _with_dot(refresh)


def _with_dot(token: str | None) -> str:
    return "" if token is None else f".{token}"
