"""What stands in tables of other programs, without a database but SQLite."""

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shopify_session_storage import (
    COLUMNS,
    DIGITS,
    Encodings,
    InvalidSessionError,
    Kind,
    LiveColumn,
    MigrationError,
    Session,
    sqlite_encodings,
)
from shopify_session_storage.sql.layouts import (
    DRIZZLE,
    PRISMA,
    Advice,
    RowMapping,
    choose_encodings,
    match_columns,
)
from shopify_session_storage.sql.layouts.dates import cut, read_date, to_digits, to_iso
from shopify_session_storage.testing.differences import EMPTY_TOKEN_IS_NONE, unknown_is_false
from shopify_session_storage.testing.strategies import sessions

FLAGS = ("isOnline", "emailVerified", "accountOwner", "collaborator")
DATES = ("expires", "refreshTokenExpires")
FIRST = datetime(1970, 1, 1)  # noqa: DTZ001  # naive by hypothesis's rule
LAST = datetime(9999, 12, 30)  # noqa: DTZ001
REQUIRED = ("id", "shop", "state", "isOnline", "accessToken")

# Text, date, flag, user's id; what is known of such columns; and how the database gives it back.
FORMS = {
    "postgresql": (("text", "timestamp(3) without time zone", "boolean", "bigint"), Encodings()),
    "with zone": (("text", "timestamp(3) with time zone", "boolean", "bigint"), Encodings()),
    "mysql": (("text", "datetime(3)", "tinyint(1)", "bigint(20)"), DIGITS),
    "prisma sqlite": (
        ("TEXT", "DATETIME", "BOOLEAN", "BIGINT"), sqlite_encodings("+00:00", integer_dates=False)
    ),
    "unixepoch-ms": (
        ("TEXT", "DATETIME", "BOOLEAN", "BIGINT"), sqlite_encodings("+00:00", integer_dates=True)
    ),
    "drizzle sqlite": (
        ("text", "text", "integer", "blob"), sqlite_encodings("Z", integer_dates=False)
    ),
    "digits of a user's id": (("text", "timestamp", "boolean", "text"), Encodings()),
}  # fmt: skip


def advice(layout=PRISMA, database="postgresql"):
    return Advice(
        layout=layout, database=database, name="Session", table='"Session"', quote='"',
        leases_name="Session_leases", leases='"Session_leases"',
    )  # fmt: skip


def columns(form, *, not_null=REQUIRED, called=str, without=()):
    (text, date, flag, user_id), _ = FORMS[form]
    types = {**dict.fromkeys(DATES, date), **dict.fromkeys(FLAGS, flag), "userId": user_id}
    return [
        LiveColumn.declared(called(name), types.get(name, text), nullable=name not in not_null)
        for name in COLUMNS
        if name not in without
    ]


def mapping(form, **options):
    matched = match_columns(columns(form, **options), advice())
    return RowMapping.of(matched, choose_encodings(matched, FORMS[form][1], advice()))


def through(form, row, names):
    """Return a row as it comes back, with None for columns that are not there."""
    if "sqlite" in form or form == "unixepoch-ms":
        connection = sqlite3.connect(":memory:")
        types = [column.type for column in columns(form)]
        definitions = ", ".join(
            f'"{name}" {type}' for name, type in zip(COLUMNS, types, strict=True)
        )
        connection.execute(f"CREATE TABLE s ({definitions})")
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO s ({', '.join(names)}) VALUES ({marks})", row)
        (row,) = connection.execute(f"SELECT {', '.join(names)} FROM s")
        connection.close()
    elif form == "mysql":
        row = json.loads(json.dumps(row))
    by_name = dict(zip(names, row, strict=True))
    return [by_name.get(name) for name in COLUMNS]


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=40, deadline=None)
@given(session=sessions(), milliseconds=st.integers(0, 999))
def test_every_session_comes_back(form, session, milliseconds):
    if session.expires is not None:
        session.expires += timedelta(milliseconds=milliseconds)
    rows = mapping(form)
    row = rows.to_row(session)
    read = rows.to_session(through(form, row, list(rows.names)))
    expected = EMPTY_TOKEN_IS_NONE.kept(session)
    assert read.equals(expected)
    assert read.to_dict() == expected.to_dict()
    assert rows.misfit(session) is None
    assert rows.to_row(read) == row  # so that it is found again by its tokens
    assert rows.tokens(read) == rows.tokens(session)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=40, deadline=None)
@given(session=sessions())
def test_what_cannot_be_null_has_a_value_for_none(form, session):
    texts = ("scope", "refreshToken", "firstName", "lastName", "email", "locale")
    rows = mapping(form, not_null=(*REQUIRED, *texts, *FLAGS))
    row = rows.to_row(session)
    by_name = dict(zip(rows.names, row, strict=True))
    assert not any(by_name[name] is None for name in (*REQUIRED, *texts, *FLAGS))
    read = rows.to_session(through(form, row, list(rows.names)))
    kept = unknown_is_false("email_verified", "account_owner", "collaborator").kept(session)
    assert (read.access_token or "") == (session.access_token or "")
    if session.is_online:
        flags = [read.online_access_info.associated_user.email_verified]
        assert flags == [kept.online_access_info.associated_user.email_verified]
    assert rows.to_row(read) == row


@given(
    date=st.datetimes(min_value=FIRST, max_value=LAST),
    minutes=st.integers(-14 * 60, 14 * 60),
    precision=st.integers(0, 6),
)
def test_dates_are_read_in_every_form(date, minutes, precision):
    date = date.replace(microsecond=date.microsecond // 1000 * 1000, tzinfo=UTC)
    zone = timezone(timedelta(minutes=minutes))
    milliseconds = (date - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    for form in (
        date,
        date.replace(tzinfo=None),
        date.replace(tzinfo=None).isoformat(),
        date.replace(tzinfo=None).isoformat(" ", "milliseconds"),
        date.isoformat().replace("+00:00", "Z"),
        date.isoformat(timespec="microseconds"),
        to_iso("+00:00")(date),
        to_iso("Z")(date),
        milliseconds,
        str(milliseconds),
        to_digits(6)(date),
    ):
        assert read_date(form) == date
    if 1 < date.year < 9999:
        assert read_date(date.astimezone(zone).isoformat()) == date
    shortened = cut(precision)(date)
    assert read_date(to_digits(precision)(date)) == read_date(shortened) <= date
    assert date - shortened < timedelta(seconds=1)


def test_a_date_of_another_class_is_read_as_a_plain_one():
    class Moment(datetime):
        pass

    for zone in (UTC, timezone(timedelta(hours=5)), None):
        date = read_date(Moment(2030, 1, 2, 3, 4, 5, 678_000, zone))
        assert type(date) is datetime
        assert date == datetime(2030, 1, 2, 3, 4, 5, 678_000, zone or UTC)
        assert date.tzinfo is UTC


@pytest.mark.parametrize("wrong", ["yesterday", "2026-13-01T00:00:00Z", [1], "0000-00-00 00:00:00"])
def test_what_is_no_date(wrong):
    with pytest.raises(InvalidSessionError):
        read_date(wrong)


@pytest.mark.parametrize(
    ("type", "kind", "expected"),
    [
        ("character varying(191)", Kind.TEXT, {"length": 191}),
        ("varchar(191)", Kind.TEXT, {"length": 191}),
        ("TEXT", Kind.TEXT, {"length": None}),
        ("timestamp(3) without time zone", Kind.TIMESTAMP, {"precision": 3}),
        ("timestamp without time zone", Kind.TIMESTAMP, {"precision": 6}),
        ("timestamp(0) with time zone", Kind.TIMESTAMP_WITH_ZONE, {"precision": 0}),
        ("datetime(3)", Kind.TIMESTAMP, {"precision": 3}),
        ("integer", Kind.INTEGER, {"largest": 2**31 - 1}),
        ("int(10) unsigned", Kind.INTEGER, {"largest": 2**32 - 1}),
        ("bigint(20) unsigned", Kind.INTEGER, {"largest": None}),
        ("tinyint(1)", Kind.INTEGER, {"largest": 127}),
        ("BOOLEAN", Kind.BOOLEAN, {}),
        ("blob", Kind.BINARY, {}),
        ("json", Kind.OTHER, {}),
        ("uuid", Kind.OTHER, {}),
        ("", Kind.OTHER, {}),
    ],
)
def test_types_are_understood(type, kind, expected):
    column = LiveColumn.declared("x", type, precision=6)
    assert column.kind is kind
    assert {name: getattr(column, name) for name in expected} == expected


@pytest.mark.parametrize(
    "called",
    [
        str.lower,
        str.upper,
        lambda name: "".join(f"_{c.lower()}" if c.isupper() else c for c in name),
        lambda name: "".join(f"_{c}" if c.isupper() else c.upper() for c in name),
    ],
    ids=["lower", "upper", "snake", "screaming"],
)
def test_names_in_other_spellings(called):
    rows = mapping("postgresql", called=called)
    assert rows.names == {name: called(name) for name in COLUMNS}


def test_columns_without_a_type_are_refused_by_name():
    live = [replace(one, kind=Kind.OTHER) if one.name == "email" else one
            for one in columns("postgresql")]  # fmt: skip
    matched = match_columns(live, advice())
    with pytest.raises(MigrationError, match=r"column email \(email\)"):
        choose_encodings(matched, Encodings(), advice())


@pytest.mark.parametrize("missing", ["id", "shop", "state", "isOnline", "scope", "expires"])
@pytest.mark.parametrize("layout", [PRISMA, DRIZZLE])
@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mysql"])
def test_missing_columns_come_with_the_lines_to_add(missing, layout, database):
    with pytest.raises(MigrationError) as caught:
        match_columns(columns("postgresql", without=(missing,)), advice(layout, database))
    message = str(caught.value)
    assert f"Add to the {'model' if layout is PRISMA else 'table'} in the schema" in message
    assert f'ALTER TABLE "Session" ADD COLUMN "{missing}"' in message
    assert {PRISMA: f"{missing:<19}", DRIZZLE: f"{missing}: "}[layout] in message


@settings(max_examples=40, deadline=None)
@given(sessions())
def test_what_has_no_column(session: Session):
    rows = mapping("postgresql", without=(*DATES[1:], "refreshToken", "firstName"))
    has_refresh = session.refresh_token is not None or session.refresh_token_expires is not None
    assert (rows.misfit(session) is not None) == has_refresh
    user = session.online_access_info and session.online_access_info.associated_user
    assert rows.drops_user(session) == bool(user and user.first_name is not None)
