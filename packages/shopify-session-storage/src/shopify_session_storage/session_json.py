"""Sessions as JSON text, for the layouts that keep a property array so.

What nearly every session looks like, as JavaScript and this package write it, is written and read
without a list of pairs in between. Everything else goes through :mod:`json`.
"""

import json
import re
from datetime import datetime

# What json.JSONEncoder(ensure_ascii=False) makes of a str, without what is around it there.
from json.encoder import encode_basestring as _quoted
from typing import Final

from shopify_session_storage.errors import CorruptSessionError
from shopify_session_storage.javascript import to_milliseconds
from shopify_session_storage.session import Session
from shopify_session_storage.stored import (
    COLUMNS,
    read_property_array,
    read_stored,
    session_from_values,
)

_from_json = json.JSONDecoder().decode

# Text without an escape, numbers that need no second look.
_KINDS: Final = {
    **dict.fromkeys(COLUMNS, r'"([^"\\\x00-\x1f]*)"'),
    **dict.fromkeys(
        ("isOnline", "emailVerified", "accountOwner", "collaborator"), "(true|false)"
    ),
    **dict.fromkeys(("expires", "refreshTokenExpires", "userId"), "(0|[1-9][0-9]{0,15})"),
}  # fmt: skip
_ALWAYS_THERE: Final = ("id", "shop", "state", "isOnline")


def _pattern() -> "re.Pattern[str]":
    parts = []
    for name in COLUMNS:
        pair = rf'\["{name}",{_KINDS[name]}\]'
        if name == "id":
            parts.append(pair)
        else:
            parts.append(f",{pair}" if name in _ALWAYS_THERE else f"(?:,{pair})?")
    return re.compile(rf"\[{''.join(parts)}\]")


_usual = _pattern().fullmatch
_FLAGS: Final = {"true": True, "false": False, None: None}


def dump_session_json(session: Session) -> str:
    """Return the JSON text of a session's property array, for the layouts that keep one.

    As ``JSON.stringify()`` spells it: without spaces, and without escapes that JSON does not
    demand.
    """
    text = (
        f'[["id",{_quoted(session.id)}],["shop",{_quoted(session.shop)}],'
        f'["state",{_quoted(session.state)}],["isOnline",{_flag(session.is_online)}]'
        f'{_text("scope", session.scope)}{_date("expires", session.expires)}'
        f'{_text("accessToken", session.access_token)}'
        f'{_text("refreshToken", session.refresh_token)}'
        f'{_date("refreshTokenExpires", session.refresh_token_expires)}'
    )  # fmt: skip
    info = session.online_access_info
    if info is None:
        return text + "]"
    user = info.associated_user
    number = "" if user.id is None else f',["userId",{user.id:d}]'
    return (
        f'{text}{number}{_text("firstName", user.first_name)}{_text("lastName", user.last_name)}'
        f'{_text("email", user.email)}{_text("locale", user.locale)}'
        f'{_maybe("emailVerified", user.email_verified)}'
        f'{_maybe("accountOwner", user.account_owner)}{_maybe("collaborator", user.collaborator)}]'
    )  # fmt: skip


def _text(key: str, value: str | None) -> str:
    return "" if value is None else f',["{key}",{_quoted(value)}]'


def _date(key: str, value: datetime | None) -> str:
    return "" if value is None else f',["{key}",{to_milliseconds(value)}]'


def _maybe(key: str, value: bool | None) -> str:
    return "" if value is None else f',["{key}",{_flag(value)}]'


def _flag(value: bool) -> str:
    return "true" if value else "false"


def read_session_json(text: str | bytes, id: object = None) -> Session:
    """Read the JSON text of a property array, in any spelling of JSON.

    Args:
        text: The text; bytes are UTF-8.
        id: The id under which it is stored, for the message.

    Raises:
        CorruptSessionError: If it is not JSON, or not that of a session.
    """
    try:
        words = text.decode() if isinstance(text, bytes) else text
        match = _usual(words)
        entries = _from_json(words) if match is None else None
    except (ValueError, RecursionError):  # a JSONDecodeError holds the text
        match = entries = None
    if match is not None:
        return read_stored(_session_from_match, match, id)
    if not isinstance(entries, list):
        raise CorruptSessionError(
            f"stored session {id!r} cannot be read: it is not a JSON array", id=id
        )
    return read_property_array(entries, id)


def _session_from_match(match: "re.Match[str]") -> Session:
    (
        session_id, shop, state, online, scope, expires, access_token, refresh_token,
        refresh_token_expires, user_id, first_name, last_name, email, locale, email_verified,
        account_owner, collaborator,
    ) = match.groups()  # fmt: skip
    return session_from_values(
        (
            session_id, shop, state, online == "true", scope, expires and int(expires),
            access_token, refresh_token, refresh_token_expires and int(refresh_token_expires),
            user_id and int(user_id), first_name, last_name, email, locale,
            _FLAGS[email_verified], _FLAGS[account_owner], _FLAGS[collaborator],
        )
    )  # fmt: skip
