"""What differs between the SQL databases, as data."""

from collections.abc import Callable
from dataclasses import dataclass

from shopify_session_storage.sql.layouts.encodings import NATIVE, Encodings


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The SQL of one kind of database, and the units of its layout.

    Attributes:
        quote: The character that quotes identifiers.
        placeholder: Makes the placeholder of a parameter from its number, which counts from 1.
        key_type: Column type of ids and shops.
        text_type: Column type of other text.
        integer_type: Column type of dates and user ids.
        boolean_type: Column type of flags.
        upsert: Makes what follows the VALUES of an INSERT, up to the assignments, from the (quoted)
            name of the primary key.
        inserted: Makes the expression for the new value of a column from its (quoted) name.
        is_same: Makes the condition that two expressions of text are the same, byte for byte,
            or both NULL.
        now: Expression for the server's clock, in milliseconds since the epoch.
        expires_unit: Unit of the column ``expires``, in milliseconds.
        refresh_token_expires_unit: Unit of the column ``refreshTokenExpires``, in milliseconds.
        max_identifier_length: How long a table's name may be, in bytes.
        ignores_column_case: Whether column names are compared without regard to case.
        javascript_migrations: Names that the official adapter records, in its order.
        table_options: What follows the columns of a CREATE TABLE.
        encodings: How values are written in tables of other programs.
    """

    quote: str
    placeholder: Callable[[int], str]
    key_type: str
    text_type: str
    integer_type: str
    boolean_type: str
    upsert: Callable[[str], str]
    inserted: Callable[[str], str]
    is_same: Callable[[str, str], str]
    now: str
    expires_unit: int
    refresh_token_expires_unit: int
    max_identifier_length: int
    ignores_column_case: bool
    javascript_migrations: tuple[str, ...]
    table_options: str = ""
    encodings: Encodings = NATIVE

    def check_identifier(self, option: str, name: str) -> str:
        """Return the *name* of a table, checked.

        Raises:
            TypeError: If it is not a str.
            ValueError: If it is empty, too long, or has a quote or a control character, which the
                official adapters could not use.
        """
        if not isinstance(name, str):
            raise TypeError(f"{option} must be a str, not {type(name).__name__}")
        if not name or len(name.encode()) > self.max_identifier_length:
            raise ValueError(
                f"{option} must have 1 to {self.max_identifier_length} bytes: {name!r}"
            )
        if any(character in "\"'`" or not character.isprintable() for character in name):
            raise ValueError(f"{option} must have no quotes and no control characters: {name!r}")
        return name

    def identifier(self, name: str) -> str:
        """Return *name* quoted."""
        return self.quote + name.replace(self.quote, self.quote * 2) + self.quote

    def qualified(self, schema: str | None, table: str) -> str:
        """Return the name of a table quoted, with its schema if it has one."""
        prefix = "" if schema is None else f"{self.identifier(schema)}."
        return prefix + self.identifier(table)

    def placeholders(self, count: int, first: int = 1) -> str:
        """Return *count* placeholders, separated by commas, in parentheses."""
        return f"({', '.join(map(self.placeholder, range(first, first + count)))})"
