"""The tables as they stand: where they are, and what is to be done to bring them up to date."""

from dataclasses import dataclass, field
from typing import Final

from shopify_session_storage import COLUMNS, Kind, LiveColumn, SqlConnection
from shopify_session_storage.sql.layouts import DIGITS, NATIVE, RowMapping

from shopify_session_storage_postgresql.connections import Looking, transaction
from shopify_session_storage_postgresql.layouts import PostgreSQLForeignTables
from shopify_session_storage_postgresql.lending import AnyConnection

_SMALL: Final = 100_000  # rows; to rewrite fewer takes a moment

# Types of the official adapter that are too narrow for encrypted tokens and dates after 2038. The
# server changes the first one without a look at the rows, and rewrites the table for the second.
_LONGER: Final = {"character varying": "text"}
_WIDER: Final = {"integer": "bigint"}

_FLAGS: Final = ("isOnline", "emailVerified", "accountOwner", "collaborator")

# Columns of 1.0, which were created without quotes.
_UNQUOTED: Final = ("isOnline", "accessToken", "onlineAccessInfo")

_LOOK: Final = """
SELECT EXISTS (SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    WHERE indrelid = of.oid AND attname = 'id' AND indisunique AND indisvalid AND indimmediate
    AND indpred IS NULL AND indnkeyatts = 1),
EXISTS (SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    WHERE indrelid = of.oid AND attname = 'shop' AND indisvalid AND indpred IS NULL),
ARRAY (SELECT format('%I.%I', nspname, relname)
    FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    JOIN pg_class AS class ON class.oid = indexrelid
    JOIN pg_namespace AS space ON space.oid = relnamespace
    WHERE indrelid = of.oid AND attname = 'shop' AND NOT indisvalid),
to_regclass($2) IS NOT NULL AND NOT EXISTS (SELECT FROM pg_index
    JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    WHERE indexrelid = to_regclass($2) AND indrelid = of.oid AND attname = 'shop'),
reltuples
FROM pg_class AS of WHERE of.oid = to_regclass($1)
"""


@dataclass
class Steps:
    """What is to be done to a table, as SQL.

    Attributes:
        key: What only its owner can decide: there may be duplicates.
        moment: What takes a moment on any table.
        rewriting: What rewrites the table, or many of its rows.
        index: What makes the index on ``shop``, and drops what is left of a build that was killed.
        online: The same, on a table that is large.
        large: Whether it is.
    """

    key: list[str] = field(default_factory=list)
    moment: list[str] = field(default_factory=list)
    rewriting: list[str] = field(default_factory=list)
    index: list[str] = field(default_factory=list)
    online: list[str] = field(default_factory=list)
    large: bool = False


class PostgreSQLTables(PostgreSQLForeignTables):
    """The tables of a storage, as they stand."""

    _given_schema: str | None
    _warned = False

    async def _look_around(self, connection: AnyConnection) -> None:
        """Fix the schema of the tables, which another client of a pooler may change behind us."""
        names = [self._table, self._table.lower()] if self._layout.owned else [self._table]
        async with transaction(connection, self._begin()):
            looking = Looking(self, connection)
            if self._behind_pooler:
                await looking.execute("SET LOCAL search_path TO DEFAULT")
            ((schema, encoding),) = await looking.fetch(
                "SELECT coalesce((SELECT nspname FROM unnest($1::text[]) WITH ORDINALITY AS "
                "one (name, place) JOIN pg_class ON pg_class.oid = to_regclass(quote_ident(name)) "
                "JOIN pg_namespace ON pg_namespace.oid = relnamespace ORDER BY place LIMIT 1), "
                "current_schema()), current_setting('server_encoding')",
                (names,),
            )
        self._use_schema(schema if self._given_schema is None else self._given_schema)
        if encoding != "UTF8" and not self._warned:
            self._logger.warning(
                "postgresql: the encoding of the database is %s, not UTF8: a session with a "
                "character that it lacks cannot be stored",
                encoding,
            )

    def _use_schema(self, schema: str | None) -> None:
        self._schema = schema
        self._quoted = self.dialect.qualified(schema, self._table)
        self._quoted_leases = self.dialect.qualified(schema, self._leases_table)
        self._build_statements()

    async def _existing_columns(self, connection: SqlConnection) -> dict[str, str]:
        columns = await connection.columns(self._table)
        if not columns and self._table != self._table.lower():
            # 1.0 of the official adapter did not quote the name of the table.
            columns = await connection.columns(self._table.lower())
            if "isonline" not in columns:
                return {}
        return columns

    def _fit(self, columns: dict[str, str]) -> None:
        """Write each value as the type of its column wants it, in a table of another program's.

        The official adapter sends all values as text, so that it does not mind.
        """
        others = {}
        for name, type in columns.items():
            column = LiveColumn.declared(name, type)
            if name == "userId" and column.kind is Kind.TEXT:
                others[name] = NATIVE.user_id[Kind.TEXT](column)
            elif name in _FLAGS and column.kind is Kind.INTEGER:
                others[name] = DIGITS.flag[Kind.INTEGER](column)
        units = self.dialect.expires_unit, self.dialect.refresh_token_expires_unit
        self._mapping = RowMapping.official(*units, others=others)
        self._build_statements()

    async def _steps(self, connection: SqlConnection, existing: dict[str, str]) -> Steps:
        identifier = self.dialect.identifier
        alter = f"ALTER TABLE {self._quoted} "
        steps = Steps()
        columns = dict(existing)
        for name in _UNQUOTED:
            if name not in columns and name.lower() in columns:
                steps.moment.append(f"{alter}RENAME COLUMN {name.lower()} TO {identifier(name)}")
                columns[name] = columns.pop(name.lower())

        def retyped(types: dict[str, str]) -> list[str]:
            kinds = {name: columns.get(name, "").partition("(")[0] for name in COLUMNS[2:]}
            return [
                f"ALTER COLUMN {identifier(name)} TYPE {types[kind]}"
                for name, kind in kinds.items()  # id and shop are as long as they may be
                if kind in types
            ]

        added = [f"ADD COLUMN {self._column_definition(n)}" for n in COLUMNS if n not in columns]
        if changes := added + retyped(_LONGER):
            steps.moment.append(alter + ", ".join(changes))
        if changes := retyped(_WIDER):
            steps.rewriting.append(alter + ", ".join(changes))
        if "onlineAccessInfo" in columns:
            steps.rewriting.append(
                f'UPDATE {self._quoted} SET "userId" = '
                """CAST(split_part("onlineAccessInfo", '.', 1) AS bigint) """
                """WHERE "onlineAccessInfo" ~ '^[0-9]{1,18}([.]0*)?$' AND "userId" IS NULL"""
            )
            steps.rewriting.append(f'{alter}DROP COLUMN "onlineAccessInfo"')
        await self._look_at_indexes(connection, steps)
        return steps

    async def _look_at_indexes(self, connection: SqlConnection, steps: Steps) -> None:
        index = self.dialect.qualified(self._schema, self._derived_name("shop_index"))
        on = f' ON {self._quoted} ("shop")'
        named = f"IF NOT EXISTS {self._shop_index()}{on}"
        found = await connection.fetch(_LOOK, (self._quoted, index))
        if not found:  # a table that is about to be created, or to be renamed
            steps.index.append(f"CREATE INDEX {named}")
            return
        ((has_key, has_index, broken, is_taken, estimate),) = found
        if not has_key:
            steps.key.append(f'ALTER TABLE {self._quoted} ADD PRIMARY KEY ("id")')
        if not has_index:
            # Where something else has the name, the server makes one up.
            named = on if is_taken else named
            dropped = [f"DROP INDEX {name}" for name in broken]
            steps.index += [*dropped, f"CREATE INDEX {named}"]
            steps.online += [*dropped, f"CREATE INDEX CONCURRENTLY {named}"]
        if steps.rewriting or steps.index:
            steps.large = await self._is_large(connection, estimate)

    async def _is_large(self, connection: SqlConnection, estimate: float) -> bool:
        if estimate >= _SMALL:
            return True
        # There may be no estimate yet, or an old one.
        ((rows,),) = await connection.fetch(
            f"SELECT count(*) FROM (SELECT FROM {self._quoted} LIMIT {_SMALL}) AS first"
        )
        return bool(rows >= _SMALL)
