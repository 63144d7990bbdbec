"""URLs of backends: schemes, credentials and parameters, read in one place for all adapters.

No message shows any part of a URL but the name of a parameter: the rest may hold a password.
"""

from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import parse_qsl, quote

_T = TypeVar("_T")

# What other programs call the same backends.
_OTHER_NAMES: Final = {"mariadb": "mysql", "valkey": "redis", "valkeys": "rediss"}

# SQLAlchemy's URLs name a driver, too. Which one we use is the adapter's business.
_DRIVERS: Final = {
    "postgresql": ("asyncpg", "psycopg", "psycopg2", "psycopg_async", "pg8000"),
    "postgres": ("asyncpg", "psycopg", "psycopg2"),
    "mysql": ("aiomysql", "asyncmy", "pymysql", "mysqldb", "mysqlconnector"),
    "sqlite": ("aiosqlite", "pysqlite"),
}

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})


def normal_scheme(url: str) -> str:
    """Return *url* with its scheme in lower case, and by the name that adapters know.

    ``postgresql+asyncpg://`` becomes ``postgresql://``, ``mariadb://`` becomes ``mysql://``,
    ``valkey://`` becomes ``redis://``. What is not a URL is returned as it is.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    scheme, plus, driver = scheme.lower().partition("+")
    known = _OTHER_NAMES.get(scheme, scheme)
    if plus and driver not in _DRIVERS.get(known, ()):
        known = f"{known}+{driver}"
    return f"{known}://{rest}"


def url_with_credentials(
    scheme: str, host: str, port: int, username: str, password: str, path: str
) -> str:
    """Return the URL of a server, made from its parts.

    Args:
        scheme: The scheme, such as ``"postgresql"``.
        host: A name or an IP address, IPv6 too.
        port: The server's port.
        username: The user who connects.
        password: That user's password.
        path: What follows the slash, such as the name of the database.
    """
    address = f"[{host}]" if ":" in host else quote(host, safe="")
    login = f"{quote(username, safe='')}:{quote(password, safe='')}"
    return f"{scheme}://{login}@{address}:{port}/{quote(path, safe='')}"


class UrlParameters:
    """The parameters of a URL: each is used, known but ignored, or refused by name.

    A name that was asked for is known. When all have been asked for, :meth:`finish` refuses the
    rest.

    Args:
        what: The backend's name in messages, such as ``"PostgreSQL"``.
        query: What follows the question mark. If a name occurs twice, the last one counts.
        fold: Whether names that differ only in case, hyphens and underscores are the same.

    Raises:
        ValueError: If it is malformed.
    """

    def __init__(self, what: str, query: str, *, fold: bool = False) -> None:
        self._what = what
        self._fold = fold
        self._known: dict[str, str] = {}
        try:
            pairs = parse_qsl(
                query, keep_blank_values=True, strict_parsing=bool(query), errors="strict"
            )
        except ValueError:
            pairs = None
        if pairs is None:
            raise ValueError(f"the parameters of the {what} URL are malformed")
        self._given = {self._key(name): (name, value) for name, value in pairs}

    def text(self, *names: str) -> str | None:
        """Return a parameter, which may have several *names*; None if it is not there."""
        found = None
        for name in names:
            self._known.setdefault(self._key(name), name)
            found = self._given.get(self._key(name)) or found
        return None if found is None else found[1]

    def flag(self, *names: str) -> bool | None:
        """Return a parameter that is true or false (1 or 0, yes or no, on or off).

        Raises:
            ValueError: If it is something else.
        """
        return self._converted(names, _flag, "true or false")

    def number(self, *names: str) -> int | None:
        """Return a parameter that is a whole number, not negative.

        Raises:
            ValueError: If it is something else.
        """
        return self._converted(names, _number, "a whole number")

    def seconds(self, *names: str) -> float | None:
        """Return a parameter that is a number of seconds, not negative.

        Raises:
            ValueError: If it is something else.
        """
        return self._converted(names, _seconds, "a number of seconds")

    def accept(self, *names: str) -> None:
        """Accept parameters of these *names*, which mean nothing here."""
        for name in names:
            self._known.setdefault(self._key(name), name)

    def finish(self) -> None:
        """Refuse the parameters that nobody has asked for.

        Raises:
            ValueError: If there is an unknown parameter.
        """
        for key, (name, _) in self._given.items():
            if key not in self._known:
                shown = name if name.isprintable() and len(name) <= 60 else "of no usable name"
                known = ", ".join(sorted(self._known.values())) or "none"
                raise ValueError(
                    f"the {self._what} URL has a parameter {shown!r}, which is not known; "
                    f"known are: {known}"
                )

    def _key(self, name: str) -> str:
        return name.lower().replace("-", "").replace("_", "") if self._fold else name

    def _converted(
        self, names: tuple[str, ...], convert: Callable[[str], _T | None], wanted: str
    ) -> _T | None:
        text = self.text(*names)
        if text is None:
            return None
        value = convert(text)
        if value is None:
            raise ValueError(f"the parameter {names[0]!r} of the {self._what} URL must be {wanted}")
        return value


def _flag(text: str) -> bool | None:
    folded = text.lower()
    return True if folded in _TRUE else False if folded in _FALSE else None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None
