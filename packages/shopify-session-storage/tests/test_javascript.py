"""Sessions, scopes and shops mean what they mean to Shopify's own JavaScript.

``data/javascript_vectors.json`` holds what ``@shopify/shopify-api`` made of some thousand inputs,
as ``tools/interop/session_vectors.mjs`` recorded it. Where JavaScript makes an unusable session
(an Invalid Date, a NaN, a missing shop), Python refuses; everything else is the same.
"""

import json
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from shopify_session_storage import (
    AuthScopes,
    CorruptSessionError,
    InvalidSessionError,
    Session,
    offline_session_id,
    online_session_id,
    read_property_array,
    sanitize_shop,
)

NO_DATE = "not a date of the years 1 to 9999"
TEXTS = ("scope", "firstName", "lastName", "email", "locale")


def decoded(value):
    if "$number" in value:
        return float(value["$number"])
    if "$date" in value:
        try:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value["$date"])
        except (TypeError, OverflowError):
            return NO_DATE
    return value


VECTORS = json.loads(
    (Path(__file__).parent / "data" / "javascript_vectors.json").read_text("utf-8"),
    object_hook=decoded,
)
SCOPES = [record["given"] for record in VECTORS["scopes"]]


def each(section):
    """Run a test for each record of a section."""
    records = VECTORS[section]
    ids = [f"{section}-{number}" for number in range(len(records))]
    return pytest.mark.parametrize("record", records, ids=ids)


def strict(value):
    """Make true differ from 1, and large numbers as exact as JavaScript's, also inside."""
    if isinstance(value, dict):
        return {key: strict(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [strict(inner) for inner in value]
    if isinstance(value, bool):
        return str(value)
    return float(value) if isinstance(value, int) else value


def results(session):
    """All that a session is turned into."""
    return strict(
        {
            "array": session.to_property_array(return_user_data=True),
            "short": session.to_property_array(),
            "object": session.to_dict(),
        }
    )


def recorded(record):
    """All that JavaScript turned its session into; what a record leaves out is as in its base."""
    base = dict(VECTORS["bases"][record.get("base", "none")])
    array = base | dict(record["array"])
    short = base | dict(record.get("short", record["array"]))
    return strict(
        {
            "array": list(array.items()),
            "short": list(short.items()),
            "object": base | record["object"],
        }
    )


def is_unusable(record):
    """Whether JavaScript made something of the pairs that no session may hold."""
    values = dict(VECTORS["bases"][record["base"]]) | dict(record["array"])
    made = dict(VECTORS["bases"][record["base"]]) | record["object"]
    return (
        any(not isinstance(made.get(key), str) for key in ("id", "shop", "state"))
        or not isinstance(made.get("isOnline"), bool)
        or not isinstance(values.get("accessToken", ""), str)
        or NO_DATE in (made.get("expires"), made.get("refreshTokenExpires"))
        or not float(values.get("userId", 0)).is_integer()
        or any(is_no_scalar(key, value) for key, value in pairs_that_count(record, made).items())
    )


def is_no_scalar(key, value):
    if isinstance(value, float) and not math.isfinite(value):
        # As a text; a refresh token that is a NaN is none.
        return key in TEXTS or (key == "refreshToken" and not math.isnan(value))
    return isinstance(value, list | dict)


def pairs_that_count(record, made):
    """The pairs that become part of the session, but for flags, which any value can be."""
    keys = {"scope", "expires", "refreshToken", "refreshTokenExpires"}
    if made.get("isOnline"):
        keys.add("onlineAccessInfo")
        if record["flag"]:
            keys |= {"userId", *TEXTS}
    return {key: value for key, value in record["pairs"] if key in keys}


def with_floats(value):
    """Give numbers as some drivers do."""
    return float(value) if type(value) is int else value


def test_decimals_are_numbers():
    """As drivers give them for columns that are NUMERIC."""
    keys = [("id", "a"), ("shop", "s"), ("state", ""), ("isOnline", Decimal(1))]
    numbers = [("expires", Decimal("1900000000000.5")), ("userId", Decimal("9007199254740991.0"))]
    session = Session.from_property_array([*keys, *numbers, ("accountOwner", Decimal(0))], True)
    assert session.is_online is True
    assert session.expires == datetime(2030, 3, 17, 17, 46, 40, tzinfo=UTC)
    user = session.online_access_info.associated_user
    assert (user.id, user.account_owner) == (9007199254740991, False)
    assert type(user.id) is int
    for wrong in (Decimal("1.5"), Decimal("NaN"), Decimal("Infinity")):
        with pytest.raises(InvalidSessionError):
            Session.from_property_array([*keys, ("userId", wrong)], True)


def test_the_vectors_are_of_the_release_that_the_sources_name():
    assert VECTORS["versions"]["@shopify/shopify-api"] == "15.0.0"


@each("read")
def test_pairs_are_read_as_javascript_reads_them(record):
    entries = VECTORS["bases"][record["base"]] + record["pairs"]
    for pairs in (entries, [(key, with_floats(value)) for key, value in entries]):
        if is_unusable(record):
            with pytest.raises(InvalidSessionError):
                Session.from_property_array(pairs, record["flag"])
        else:
            session = Session.from_property_array(pairs, record["flag"])
            assert results(session) == recorded(record)


@each("read")
def test_stored_pairs_are_read_as_javascript_reads_them_but_for_empty_refresh_tokens(record):
    entries = VECTORS["bases"][record["base"]] + record["pairs"]
    if not record["flag"]:
        return  # stored pairs have user data
    for pairs in (entries, [(key, with_floats(value)) for key, value in entries]):
        if is_unusable(record):
            with pytest.raises(CorruptSessionError):
                read_property_array(pairs)
        else:
            session = read_property_array(pairs)
            if session.refresh_token == "":
                session.refresh_token = None
            assert results(session) == recorded(record)


def test_the_vectors_hold_usable_and_unusable_pairs():
    unusable = [is_unusable(record) for record in VECTORS["read"]]
    assert sum(unusable) > 250
    assert len(unusable) - sum(unusable) > 500


@each("constructed")
def test_sessions_are_written_as_javascript_writes_them(record):
    assert results(Session.from_dict(record["session"])) == recorded(record)


@each("equal")
def test_sessions_are_equal_where_they_are_in_javascript(record):
    session = Session.from_dict(record["session"])
    others = [Session.from_dict(other["session"]) for other in VECTORS["equal"]]
    assert [session.equals(other) for other in others] == record["equals"]


@each("scopes")
def test_scopes_list_and_grant_what_they_do_in_javascript(record):
    scopes = AuthScopes(record["given"])
    assert str(scopes) == record["string"]
    assert list(scopes) == record["list"]
    assert list(AuthScopes(scopes)) == record["copied"]
    assert [scopes.has(other) for other in SCOPES] == record["has"]


def test_scopes_are_equal_where_javascript_finds_them_equal_from_both_sides():
    for row, given in enumerate(SCOPES):
        for column, other in enumerate(SCOPES):
            if ["read_a,read_b"] in (given, other):
                continue  # one scope with a comma in it, which differs from itself in JavaScript
            from_both_sides = (
                VECTORS["scopes"][row]["equals"][column]
                and VECTORS["scopes"][column]["equals"][row]
            )
            assert (AuthScopes(given) == AuthScopes(other)) is from_both_sides
            assert (AuthScopes(given) == other) is from_both_sides


@pytest.mark.parametrize(
    ("fewer", "more"),
    [
        ("read_a", "write_a"),
        ("read_a,read_b", "write_a,read_b"),
        ("read_a,read_b", "write_a,write_b"),
        ("write_a,read_b", "write_a,write_b"),
        ("unauthenticated_read_a", "unauthenticated_write_a"),
    ],
)
def test_reading_does_not_equal_writing_though_it_does_from_one_side_in_javascript(fewer, more):
    row, column = SCOPES.index(fewer), SCOPES.index(more)
    assert VECTORS["scopes"][row]["equals"][column] is True
    assert VECTORS["scopes"][column]["equals"][row] is False
    assert AuthScopes(fewer) != AuthScopes(more)
    assert AuthScopes(more) != AuthScopes(fewer)


# What an app may be given for a shop, which JavaScript leaves to the caller.
ACCEPTED_HERE_ONLY = {
    "my-shop",
    " my-shop.myshopify.com ",
    "my-shop.myshopify.com\n",
    "my-shop.MyShopify.com",
    "https://my-shop.myshopify.com",
    "http://my-shop.myshopify.com/",
    "https://My-Shop.myshopify.com/admin?x=1#y",
    "my-shop.myshopify.com/admin",
    "my-shop.myshopify.com?x",
    "my-shop.myshopify.com#x",
    "admin.shopify.com/store/my-shop/",
    "https://admin.shopify.com/store/my-shop/products",
}
SHOPIFY_INTERNAL = "admin.myshopify.io/store/my-shop"


@each("shops")
def test_shops_under_myshopify_com_that_javascript_accepts_get_their_canonical_form(record):
    shop, sanitized = record["shop"], (record["sanitized"] or "").rstrip("/").lower()
    if shop in ACCEPTED_HERE_ONLY:
        assert sanitized == ""
        assert sanitize_shop(shop) == "my-shop.myshopify.com"
    elif shop == "null":  # a name like any other
        assert sanitize_shop(shop) == "null.myshopify.com"
    elif sanitized.endswith(".myshopify.com") and shop != SHOPIFY_INTERNAL:
        assert sanitize_shop(shop) == sanitized
    else:
        assert sanitize_shop(shop) is None


@each("ids")
def test_session_ids_are_those_of_javascript(record):
    assert offline_session_id(record["shop"]) == record["offline"]
    assert online_session_id(record["shop"], record["user"]) == record["online"]
