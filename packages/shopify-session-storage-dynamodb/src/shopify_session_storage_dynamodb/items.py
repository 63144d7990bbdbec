"""Between a session and its item, in the layout of Shopify's official JavaScript adapter.

Items have the shape of DynamoDB's low-level API, with a type for each value: ``{"S": "text"}``.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from shopify_session_storage import (
    InvalidSessionError,
    OnlineAccessInfo,
    Session,
    js_date,
    read_stored,
)

Attribute: TypeAlias = Mapping[str, Any]
Item: TypeAlias = Mapping[str, Attribute]

TTL: Final = "ttl"
"""The attribute that says when DynamoDB is to delete an item, in seconds since the epoch. The
official JavaScript adapter neither reads nor keeps it."""

_USER_TEXTS: Final = ("first_name", "last_name", "email", "locale")
_USER_FLAGS: Final = ("email_verified", "account_owner", "collaborator")
_DATES: Final = ("expires", "refreshTokenExpires")


def key_of(id: str) -> Item:
    """Return the key of the session with this id."""
    return {"id": {"S": id}}


def lease_key_of(name: str) -> Item:
    """Return the key of a lease. No session can have such an id."""
    return key_of(f"shop:lease:{name}")


def lease_of(name: str, holder: str, expires: int) -> Item:
    """Return the item of a lease. Without a shop it is not in the index.

    Args:
        name: Its name.
        holder: Who has it.
        expires: When it ends, in milliseconds since the epoch.
    """
    return {
        **lease_key_of(name),
        "holder": {"S": holder},
        "leaseExpires": {"N": str(expires)},
    }


def condition_to_store(expected: Session | None) -> dict[str, Any]:
    """Return the condition that what is stored has the tokens of *expected*, or is not there."""
    if expected is None:
        return {"ConditionExpression": "attribute_not_exists(id)"}
    same, values = _same_tokens(expected)
    return _condition(f"attribute_exists(id) AND {same}", values)


def condition_to_delete(expected: Session) -> dict[str, Any]:
    """Return the condition that what is stored, if anything, has the tokens of *expected*."""
    same, values = _same_tokens(expected)
    return _condition(f"attribute_not_exists(id) OR ({same})", values)


def _same_tokens(expected: Session) -> tuple[str, Item]:
    conditions, values = [], {}
    tokens = {"accessToken": expected.access_token, "refreshToken": expected.refresh_token}
    for name, token in tokens.items():
        if token is None:
            # Other programs may write the type NULL.
            conditions.append(f"(attribute_not_exists({name}) OR attribute_type({name}, :null))")
            values[":null"] = {"S": "NULL"}
        else:
            conditions.append(f"{name} = :{name}")
            values[f":{name}"] = {"S": token}
    return " AND ".join(conditions), values


def _condition(expression: str, values: Item) -> dict[str, Any]:
    return {"ConditionExpression": expression, "ExpressionAttributeValues": values}


def item_of(session: Session, expiry: datetime | None = None) -> Item:
    """Return the item of a session. What is None has no attribute; empty strings are kept.

    Args:
        session: The session.
        expiry: When DynamoDB is to delete it.
    """
    texts = {
        "id": session.id,
        "shop": session.shop,
        "state": session.state,
        "scope": session.scope,
        "expires": _iso(session.expires),
        "accessToken": session.access_token,
        "refreshToken": session.refresh_token,
        "refreshTokenExpires": _iso(session.refresh_token_expires),
    }
    item: dict[str, Attribute] = {
        name: {"S": text} for name, text in texts.items() if text is not None
    }
    item["isOnline"] = {"BOOL": session.is_online}
    if session.online_access_info is not None:
        item["onlineAccessInfo"] = {"M": _info(session.online_access_info)}
    if expiry is not None:
        item[TTL] = {"N": str(math.ceil(expiry.timestamp()))}
    return item


def _iso(date: datetime | None) -> str | None:
    """Spell a date in UTC as JavaScript's ``toISOString()`` does."""
    if date is None:
        return None
    return date.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _info(info: OnlineAccessInfo) -> Item:
    user: dict[str, Attribute] = {}
    if info.associated_user.id is not None:
        user["id"] = {"N": str(info.associated_user.id)}
    for kind, names in (("S", _USER_TEXTS), ("BOOL", _USER_FLAGS)):
        for name in names:
            value = getattr(info.associated_user, name)
            if value is not None:
                user[name] = {kind: value}
    result: dict[str, Attribute] = {"associated_user": {"M": user}}
    if info.expires_in is not None:
        result["expires_in"] = {"N": str(info.expires_in)}
    if info.associated_user_scope is not None:
        result["associated_user_scope"] = {"S": info.associated_user_scope}
    return result


def read_item(item: Item) -> Session:
    """Read an item as a session.

    Raises:
        CorruptSessionError: If it is none.
    """
    return read_stored(_session, item, item["id"].get("S"))


def _session(item: Item) -> Session:
    data = _plain(item)
    for name in _DATES:
        data[name] = _date(data.get(name), name)
    if type(data.get("isOnline")) in (int, float):  # JavaScript takes a number as a flag
        data["isOnline"] = bool(data["isOnline"])
    if data.get("isOnline") is not True:
        data.pop("onlineAccessInfo", None)
    session = Session.from_dict(data)
    if session.is_online and session.online_access_info is None:
        session.online_access_info = OnlineAccessInfo()
    return session


def _plain(item: Item) -> dict[str, Any]:
    """Return the values of an item without their types. Those of other types are left out."""
    result: dict[str, Any] = {}
    for name, attribute in item.items():
        for kind, value in attribute.items():
            if kind in ("S", "BOOL"):
                result[name] = value
            elif kind == "N":
                result[name] = _number(value)
            elif kind == "M":
                result[name] = _plain(value)
    return result


def _number(text: str) -> float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _date(value: object, name: str) -> datetime | None:
    """Read a date, a string or a number of milliseconds, as JavaScript does.

    A string without a time zone is in UTC; JavaScript reads it in the zone of its process.
    """
    if not isinstance(value, str):
        return js_date(value, name)
    if not value:
        return None
    try:
        date = datetime.fromisoformat(value)
        date = date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidSessionError(f"{name} is not a date") from None
    return date.replace(microsecond=date.microsecond // 1000 * 1000)
