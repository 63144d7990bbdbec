"""The lines that a schema lacks: for Prisma, for Drizzle, and as SQL."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from shopify_session_storage.errors import MigrationError
from shopify_session_storage.sql.layouts.columns import Kind, LiveColumn
from shopify_session_storage.sql.layouts.layout import PRISMA, Layout

DatabaseName: TypeAlias = Literal["sqlite", "postgresql", "mysql"]
"""The databases for which there is advice."""

REFRESH: Final = ("refreshToken", "refreshTokenExpires")
"""The columns without which no session with a refresh token is stored."""

_TEXTS: Final = ("id", "shop", "state", "scope", "accessToken", "refreshToken",
                 "firstName", "lastName", "email", "locale")  # fmt: skip
_DATES: Final = ("expires", "refreshTokenExpires")
_REQUIRED: Final = ("id", "shop", "state", "isOnline", "accessToken")
_LONG: Final = ("scope", "accessToken", "refreshToken")

_SQL_TYPES: Final[dict[tuple[str, str], dict[str, str]]] = {
    ("prisma", "sqlite"): {
        "text": "TEXT", "date": "DATETIME", "userId": "BIGINT", "flag": "BOOLEAN",
    },
    ("prisma", "postgresql"): {
        "text": "TEXT", "date": "TIMESTAMP(3)", "userId": "BIGINT", "flag": "BOOLEAN",
    },
    ("prisma", "mysql"): {
        "key": "VARCHAR(191)", "text": "VARCHAR(191)", "long": "TEXT", "date": "DATETIME(3)",
        "userId": "BIGINT", "flag": "BOOLEAN",
    },
    ("drizzle", "sqlite"): {
        "text": "text", "date": "text", "userId": "blob", "flag": "integer",
    },
    ("drizzle", "postgresql"): {
        "text": "text", "date": "timestamp", "userId": "bigint", "flag": "boolean",
    },
    ("drizzle", "mysql"): {
        "key": "varchar(255)", "text": "text", "date": "datetime(3)", "userId": "bigint",
        "flag": "boolean",
    },
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Advice:
    """Words the lines to add to the schema of another program, or to run as SQL.

    Attributes:
        layout: Whose table it is.
        database: Which kind of database it is in.
        name: The name of the table.
        table: The same in SQL: quoted, with its schema if it needs one.
        leases_name: The name of the table of leases.
        leases: That name in SQL.
        quote: The character that quotes names.
        key_type: The type of the names and holders of leases.
    """

    layout: Layout
    database: DatabaseName
    name: str
    table: str
    leases_name: str
    leases: str
    quote: str
    key_type: str = "TEXT"

    def refused(self, reason: str) -> MigrationError:
        """Return the error for a table in which sessions cannot be kept."""
        return MigrationError(f"{self.database}: the table {self.table} {reason}")

    def default_lines(self, columns: Iterable[LiveColumn]) -> str:
        """Return the lines that give defaults to columns of the app's own."""
        prisma = self.layout is PRISMA
        hint = "@default(...)" if prisma else ".default(...)"
        not_one = "@updatedAt alone" if prisma else ".$defaultFn()"
        sql = "".join(f"  {self._set_default(column)};\n" for column in columns)
        return (
            f"In the schema of {self.layout.title} that is {hint}; {not_one} gives the database "
            f"none. Or run:\n{sql}"
        )

    def _set_default(self, column: LiveColumn) -> str:
        is_date = column.kind in (Kind.TIMESTAMP, Kind.TIMESTAMP_WITH_ZONE)
        digits = f"({column.precision})" if self.database == "mysql" and column.precision else ""
        default = f"CURRENT_TIMESTAMP{digits}" if is_date else "..."
        name = self._quoted(column.name)
        if self.database == "sqlite":  # which cannot alter a column
            return f"ALTER TABLE {self.table} DROP COLUMN {name}"
        if self.database == "mysql":
            return (
                f"ALTER TABLE {self.table} MODIFY COLUMN {name} {column.type} NOT NULL "
                f"DEFAULT {default}"
            )
        return f"ALTER TABLE {self.table} ALTER COLUMN {name} SET DEFAULT {default}"

    def column_lines(self, names: Iterable[str]) -> str:
        """Return the lines that add columns, in the schema's language and as SQL."""
        names = list(names)
        schema = "".join(f"  {self._schema_line(name)}\n" for name in names)
        where = "the model" if self.layout is PRISMA else "the table"
        sql = "".join(f"  {self.add_column(name)};\n" for name in names)
        return f"Add to {where} in the schema of {self.layout.title}:\n{schema}or run:\n{sql}"

    def add_column(self, name: str) -> str:
        """Return the SQL that adds a column."""
        sort = self._sort(name)
        types = _SQL_TYPES[self.layout.name, self.database]
        type = types.get(sort) or types["text"]
        default = ""
        if name in _REQUIRED:
            default = " NOT NULL DEFAULT " + ("false" if sort == "flag" else "''")
        return f"ALTER TABLE {self.table} ADD COLUMN {self._quoted(name)} {type}{default}"

    def _schema_line(self, name: str) -> str:
        sort = self._sort(name)
        if self.layout is PRISMA:
            return self._prisma_line(name, sort)
        return self._drizzle_line(name, sort)

    def _prisma_line(self, name: str, sort: str) -> str:
        type = {"date": "DateTime", "userId": "BigInt", "flag": "Boolean"}.get(sort, "String")
        optional = "" if name in _REQUIRED else "?"
        rest = " @default(false)" if name == "isOnline" else ""
        if name == "id":
            rest = " @id"
        if sort == "long" and self.database == "mysql":
            rest += " @db.Text"
        return f"{name:<19} {type}{optional}{rest}"

    def _drizzle_line(self, name: str, sort: str) -> str:
        made = f'text("{name}")'
        if sort == "key" and self.database == "mysql":
            made = f'varchar("{name}", {{ length: 255 }})'
        elif sort == "date" and self.database == "mysql":
            made = f'datetime("{name}", {{ mode: "date", fsp: 3 }})'
        elif sort == "date" and self.database == "postgresql":
            made = f'timestamp("{name}", {{ mode: "date" }})'
        elif sort == "userId":
            made = (
                f'blob("{name}", {{ mode: "bigint" }})'
                if self.database == "sqlite"
                else f'bigint("{name}", {{ mode: "number" }})'
            )
        elif sort == "flag":
            made = (
                f'integer("{name}", {{ mode: "boolean" }})'
                if self.database == "sqlite"
                else f'boolean("{name}")'
            )
        rest = ".notNull()" if name in _REQUIRED else ""
        if name == "id":
            rest = ".primaryKey()"
        if name == "isOnline":
            rest += ".default(false)"
        return f"{name}: {made}{rest},"

    def _sort(self, name: str) -> str:
        if name in ("id", "shop"):
            return "key"
        if name in _DATES:
            return "date"
        if name in _LONG:
            return "long"
        if name in _TEXTS:
            return "text"
        return "userId" if name == "userId" else "flag"

    def _quoted(self, name: str) -> str:
        return self.quote + name.replace(self.quote, self.quote * 2) + self.quote

    def index_line(self, shop: str) -> str:
        """Return the line that declares an index on the column of shops."""
        if self.layout is PRISMA:
            return "add to the model in the schema of Prisma: @@index([shop])"
        name = f"{self.name}_{shop}_idx"
        return f'add to the table in the schema of Drizzle: index("{name}").on(table.shop)'

    def create_index(self, shop: LiveColumn) -> str:
        """Return the SQL for that index, with the name that Prisma gives it."""
        prefix = "(191)" if self.database == "mysql" and shop.length is None else ""
        return (
            f"CREATE INDEX {self._quoted(f'{self.name}_{shop.name}_idx')} ON {self.table} "
            f"({self._quoted(shop.name)}{prefix})"
        )

    def create_leases(self) -> str:
        """Return the SQL for the table of leases."""
        integer = "integer" if self.database == "sqlite" and self.layout is not PRISMA else "BIGINT"
        return (
            f"CREATE TABLE {self.leases} (name {self.key_type} NOT NULL PRIMARY KEY, "
            f"holder {self.key_type} NOT NULL, expires {integer} NOT NULL)"
        )

    def additions(
        self, columns: Mapping[str, LiveColumn], *, has_index: bool, has_leases: bool
    ) -> str:
        """Return the SQL for all that is worth adding; empty if nothing is missing.

        Args:
            columns: The table's columns, by their names in :data:`COLUMNS`.
            has_index: Whether there is an index on the shop.
            has_leases: Whether there is a table of leases.
        """
        wanted = [self.add_column(name) for name in REFRESH if name not in columns]
        if not has_index:
            wanted.append(self.create_index(columns["shop"]))
        if not has_leases:
            wanted.append(self.create_leases())
        if not wanted:
            return ""
        return (
            f"-- {self.layout.title} drops what its schema does not declare: add it there, too\n"
            + "".join(f"{sql};\n" for sql in wanted)
        )

    def lease_lines(self) -> str:
        """Return the lines that add the table of leases."""
        prisma = self.layout is PRISMA
        schema = self._prisma_leases() if prisma else self._drizzle_leases()
        return (
            f"Add to the schema of {self.layout.title}:\n{schema}or run:\n"
            f"  {self.create_leases()};\n"
            "or keep leases elsewhere: AccessTokenStore(storage, leases=another_storage)"
        )

    def _prisma_leases(self) -> str:
        key = " @db.VarChar(255)" if self.database == "mysql" else ""
        return (
            "  model SessionLease {\n"
            f"    name    String @id{key}\n"
            f"    holder  String{key}\n"
            "    expires BigInt\n\n"
            f'    @@map("{self.leases_name}")\n'
            "  }\n"
        )

    def _drizzle_leases(self) -> str:
        make, key, integer = {
            "sqlite": ("sqliteTable", 'text("{}")', 'integer("expires")'),
            "postgresql": ("pgTable", 'text("{}")', 'bigint("expires", { mode: "number" })'),
            "mysql": (
                "mysqlTable",
                'varchar("{}", {{ length: 255 }})',
                'bigint("expires", { mode: "number" })',
            ),
        }[self.database]
        return (
            f'  export const sessionLeases = {make}("{self.leases_name}", {{\n'
            f"    name: {key.format('name')}.primaryKey(),\n"
            f"    holder: {key.format('holder')}.notNull(),\n"
            f"    expires: {integer}.notNull(),\n"
            "  });\n"
        )
