"""Where a storage is, as the user says it, and what may be shown of that."""

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from shopify_session_storage.addresses import normal_scheme
from shopify_session_storage.cli.exits import Exit, Stop
from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.urls import open_session_storage

FROM_ENVIRONMENT: Final = "env:"

# What each adapter calls the name of its table.
_NAMES: Final = {
    "redis": "session_key_prefix",
    "rediss": "session_key_prefix",
    "redis+cluster": "session_key_prefix",
    "rediss+cluster": "session_key_prefix",
    "unix": "session_key_prefix",
    "mongodb": "session_collection_name",
    "mongodb+srv": "session_collection_name",
}
_PLAIN: Final = re.compile(
    r"(?:[^/?#@]*@)?"  # a login
    r"((?:[\w.-]*|\[[0-9A-Fa-f:.%]+\])(?::\d+)?(?:,[\w.-]+(?::\d+)?)*)"  # hosts
    r"(?:[/?#][^@]*)?"
)
_SECRET: Final = re.compile(r"pass|pwd|secret|token|key|credential", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """A storage that the user named.

    Attributes:
        url: Its URL, which may hold a password.
        table: The name of its table, collection or prefix; None for the usual one.
    """

    url: str = field(repr=False)
    table: str | None = None

    @property
    def scheme(self) -> str:
        """The scheme, in the word that adapters know."""
        return normal_scheme(self.url).partition("://")[0]

    def __str__(self) -> str:
        """Show scheme and host; of SQLite, which has neither host nor password, the path."""
        scheme, separator, rest = self.url.partition("://")
        if not separator or not re.fullmatch(r"[A-Za-z0-9+._-]+", scheme):
            return "a URL without a scheme"
        if self.scheme == "sqlite" and rest.startswith("/"):
            return f"{scheme}://{rest.partition('?')[0]}"
        # A password with a slash in it is shown by nobody who is not sure where it ends.
        plain = _PLAIN.fullmatch(rest)
        return f"{scheme}://{plain[1] if plain else '…'}"

    def fingerprint(self) -> str:
        """Return what tells this place from others. Passwords take no part, since they change."""
        scheme, _, rest = normal_scheme(self.url).partition("://")
        rest, _, query = rest.partition("?")
        rest = rest.rpartition("@")[2]
        if scheme == "sqlite":  # whose other parameters are about the connection
            rest = str(Path(rest.removeprefix("/")).resolve())
            query = "&".join(pair for pair in query.split("&") if pair.startswith("layout="))
        told = sorted(pair for pair in query.split("&") if pair and not _SECRET.search(pair))
        text = "\0".join((scheme, rest, *told, self.table or ""))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def holds_secret(self) -> bool:
        """Tell whether somebody who sees the URL may have seen a password."""
        rest = self.url.partition("://")[2]
        return "@" in rest or bool(_SECRET.search(rest.partition("?")[2]))

    def open(self, **options: Any) -> SessionStorage:
        """Make the storage. It raises its failures.

        Raises:
            Stop: If the URL cannot be used, or no adapter for it is installed.
        """
        if self.table is not None:
            options[_NAMES.get(self.scheme, "session_table_name")] = self.table
        try:
            return open_session_storage(self.url, on_error="raise", **options)
        except ImportError as error:
            reason = f"the adapter for {self.scheme}:// cannot be loaded: {error.name or 'a part'}"
            reason += " is not installed"
        except (TypeError, ValueError) as error:  # no message of these shows a part of the URL
            reason = str(error)
            if self.table is not None and isinstance(error, TypeError):
                reason = f"{self.scheme}:// has no tables, so --table cannot be used"
        raise Stop(reason, Exit.USAGE)


def place(argument: str | None, variable: str | None, table: str | None = None) -> Place:
    """Return the place that an argument names, or an environment variable.

    Args:
        argument: A URL, or ``env:NAME``.
        variable: The name of a variable; one of the two is None.
        table: The name of its table.

    Raises:
        Stop: If neither or both are given, or the variable is not set.
    """
    if (argument is None) == (variable is None):
        raise Stop("give the URL of the storage, or --url-env NAME", Exit.USAGE)
    if argument is not None and argument.startswith(FROM_ENVIRONMENT):
        variable, argument = argument.removeprefix(FROM_ENVIRONMENT), None
    if argument is None:
        if variable is not None and "://" in variable:
            raise Stop("--url-env and env: take the name of a variable, not a URL", Exit.USAGE)
        argument = os.environ.get(variable or "")
        if not argument:
            raise Stop(f"the environment variable {variable} is not set", Exit.USAGE)
    return Place(argument, table)
