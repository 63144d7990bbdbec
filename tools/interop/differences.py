"""What becomes of a session on its way from one language to the other.

Each difference is a fact of the stored layout, or of the official adapter; the tests show each one,
and expect nothing else to differ.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any, Literal

from shopify_session_storage import AssociatedUser, OnlineAccessInfo, Session
from shopify_session_storage.testing.sessions import offline_session, online_session, unique

Writer = Literal["JavaScript", "Python"]

SQL = frozenset({"sqlite", "postgresql", "mysql"})
PAIRS = SQL | {"redis", "kv-style"}
OBJECTS = frozenset({"mongodb", "dynamodb"})
PRISMA = frozenset({"prisma sqlite", "prisma sqlite ms", "prisma postgresql", "prisma mysql"})
DRIZZLE = frozenset({"drizzle sqlite", "drizzle postgresql", "drizzle mysql"})
APP_TABLES = PRISMA | DRIZZLE


_FLAGS = ("account_owner", "collaborator", "email_verified")
_NAMES = ("first_name", "last_name", "email", "locale")


@dataclass(frozen=True)
class Difference:
    """Something that is not kept.

    Attributes:
        what: What happens, for the README.
        backends: Where.
        writer: Who must have stored the session for it to happen; None for either.
        change: Returns what is kept of a session.
        example: A session that is changed by it.
    """

    what: str
    backends: frozenset[str]
    writer: Writer | None
    change: Callable[[Session], Session]
    example: Session


def _whole_seconds(*names: str) -> Callable[[Session], Session]:
    def change(session: Session) -> Session:
        dates = {name: getattr(session, name) for name in names}
        whole = {name: date.replace(microsecond=0) for name, date in dates.items() if date}
        return replace(session, **whole)

    return change


def _without_response_fields(session: Session) -> Session:
    info = session.online_access_info
    if info is None:
        return session
    return replace(session, online_access_info=OnlineAccessInfo(info.associated_user))


def _user_if_online(session: Session) -> Session:
    if session.is_online:
        return session
    return replace(session, online_access_info=None)


def _user_always_online(session: Session) -> Session:
    if not session.is_online or session.online_access_info is not None:
        return session
    return replace(session, online_access_info=OnlineAccessInfo(AssociatedUser()))


def _user(change: Callable[[AssociatedUser], AssociatedUser]) -> Callable[[Session], Session]:
    def of_session(session: Session) -> Session:
        info = session.online_access_info
        if info is None:
            return session
        changed = replace(info, associated_user=change(info.associated_user))
        return replace(session, online_access_info=changed)

    return of_session


def _without_empty_values(user: AssociatedUser) -> AssociatedUser:
    flags: dict[str, Any] = {name: getattr(user, name) for name in _FLAGS}
    values: dict[str, Any] = {name: value or None for name, value in vars(user).items()}
    return AssociatedUser(**values | flags)


def _with_flags(user: AssociatedUser) -> AssociatedUser:
    flags: dict[str, Any] = {name: getattr(user, name) or False for name in _FLAGS}
    return replace(user, **flags)


def _with_null_names(user: AssociatedUser) -> AssociatedUser:
    names: dict[str, Any] = {name: "null" for name in _NAMES if getattr(user, name) is None}
    return replace(user, **names)


def _with_user(user: AssociatedUser) -> Session:
    return online_session(unique("shop"), online_access_info=OnlineAccessInfo(user))


def _without_empty(*names: str) -> Callable[[Session], Session]:
    def change(session: Session) -> Session:
        empty: dict[str, Any] = {name: None for name in names if getattr(session, name) == ""}
        return replace(session, **empty)

    return change


_WITH_MILLISECONDS = offline_session(unique("shop"))
for _name in ("expires", "refresh_token_expires"):
    _date = getattr(_WITH_MILLISECONDS, _name)
    setattr(_WITH_MILLISECONDS, _name, _date + timedelta(milliseconds=789))

DIFFERENCES = (
    Difference(
        "milliseconds of `expires` are cut",
        SQL | {"drizzle mysql"},
        None,
        _whole_seconds("expires"),
        _WITH_MILLISECONDS,
    ),
    Difference(
        "milliseconds of `refreshTokenExpires` are cut",
        frozenset({"sqlite", "mysql", "drizzle mysql"}),
        None,
        _whole_seconds("refresh_token_expires"),
        _WITH_MILLISECONDS,
    ),
    Difference(
        "`expires_in` and `associated_user_scope` are not kept",
        PAIRS | APP_TABLES,
        None,
        _without_response_fields,
        online_session(unique("shop")),
    ),
    Difference(
        "user data of an offline session is not kept",
        PAIRS | OBJECTS | APP_TABLES,
        None,
        _user_if_online,
        online_session(unique("shop"), is_online=False),
    ),
    Difference(
        "an online session without user data comes back with an empty user",
        PAIRS | OBJECTS | APP_TABLES,
        None,
        _user_always_online,
        online_session(unique("shop"), online_access_info=None),
    ),
    Difference(
        "JavaScript does not store an empty scope, access token or refresh token",
        OBJECTS,
        "JavaScript",
        _without_empty("scope", "access_token", "refresh_token"),
        offline_session(unique("shop"), scope="", access_token="", refresh_token=""),
    ),
    Difference(
        "JavaScript reads an empty refresh token as none",
        PAIRS,
        "Python",
        _without_empty("refresh_token"),
        offline_session(unique("shop"), refresh_token=""),
    ),
    Difference(
        "an empty scope, access token or refresh token comes back as none",
        APP_TABLES,
        None,
        _without_empty("scope", "access_token", "refresh_token"),
        offline_session(unique("shop"), scope="", access_token="", refresh_token=""),
    ),
    Difference(
        "JavaScript does not store empty names, nor a user id of 0",
        APP_TABLES,
        "JavaScript",
        _user(_without_empty_values),
        _with_user(AssociatedUser(id=0, first_name="", last_name="", email="", locale="")),
    ),
    Difference(
        "JavaScript stores a flag that is unknown as false",
        PRISMA,
        "JavaScript",
        _user(_with_flags),
        _with_user(AssociatedUser(id=7)),
    ),
    Difference(
        'JavaScript reads a name that is unknown as `"null"`',
        PRISMA,
        "Python",
        _user(_with_null_names),
        _with_user(AssociatedUser(id=7)),
    ),
)

# The official PostgreSQL adapter sets only the columns that the new version has.
KEEPING_OLD_COLUMNS = frozenset({"postgresql"})

# The official adapters read the list of a shop, and write it back changed.
LOSING_LIST_ENTRIES = frozenset({"redis", "kv-style"})

# The official adapters look whether there is a table, and then create it.
FAILING_AT_START = frozenset({"sqlite", "postgresql", "mysql"})

# The official adapter asks for no more.
FINDING_25 = PRISMA

# What is shown by tests of its own.
FURTHER = {
    "JavaScript's first start may fail while another process creates the table": FAILING_AT_START,
    "an update by JavaScript keeps the old value of a field that is absent": KEEPING_OLD_COLUMNS,
    "JavaScript's stores drop what joins the shop's list meanwhile": LOSING_LIST_ENTRIES,
    "JavaScript finds no more than 25 sessions of a shop": FINDING_25,
    "dates after 2038-01-19 cannot be stored": frozenset({"drizzle mysql"}),
}


def arrives(backend: str, writer: Writer, *versions: Session) -> Session:
    """Return what the other language loads after *versions* were stored one after the other."""
    session = versions[-1]
    if writer == "JavaScript" and backend in KEEPING_OLD_COLUMNS:
        session = _merged(versions)
    for difference in DIFFERENCES:
        if backend in difference.backends and difference.writer in (None, writer):
            session = difference.change(session)
    return session


def _merged(versions: Sequence[Session]) -> Session:
    merged = versions[0]
    for version in versions[1:]:
        present = {field.name: getattr(version, field.name) for field in fields(version)}
        users = [one.online_access_info for one in (merged, version) if one.online_access_info]
        if len(users) == 2:
            old, new = (user.associated_user for user in users)
            values = {key: value for key, value in vars(new).items() if value is not None}
            present["online_access_info"] = OnlineAccessInfo(replace(old, **values))
        merged = replace(merged, **{key: val for key, val in present.items() if val is not None})
    return merged
