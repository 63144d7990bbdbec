"""Sessions as JSON text, for the layouts that keep a property array as JSON.

What nearly every session looks like, as JavaScript and this package write it, is written and read
without a list of pairs in between. Everything else goes through :mod:`json`.
"""

import json
import re
from datetime import datetime, timedelta

# What json.JSONEncoder(ensure_ascii=False) makes of a str, without what is around it there.
from json.encoder import encode_basestring as _quoted
from typing import Final

from shopify_session_storage.errors import CorruptSessionError
from shopify_session_storage.javascript import EPOCH, to_milliseconds
from shopify_session_storage.session import AssociatedUser, OnlineAccessInfo, Session
from shopify_session_storage.stored import COLUMNS, read_property_array

_new = object.__new__
_MILLISECOND: Final = timedelta(milliseconds=1)
_from_json = json.JSONDecoder().decode

# Numbers that need no second look, dates before the year 5139. What text must not have is looked
# for in one go, since a class of characters in place of "all but a quote" takes twice as long.
_KINDS: Final = {
    **dict.fromkeys(COLUMNS, '"([^"]*+)"'),
    **dict.fromkeys(
        ("isOnline", "emailVerified", "accountOwner", "collaborator"), "(true|false)"
    ),
    **dict.fromkeys(("expires", "refreshTokenExpires"), "(0|[1-9][0-9]{0,13})"),
    "userId": "(0|[1-9][0-9]{0,15})",
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
_NOT_IN_TEXT: Final = bytes(range(0x20)) + b"\\"  # control characters, escapes


def dump_session_json(session: Session) -> str:
    """Return the JSON text of a session's property array, for the layouts that keep one.

    It is what ``JSON.stringify()`` writes: without spaces, and only with the escapes that JSON
    requires.
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
        words, data = _both(text)
        is_plain = len(data.translate(None, _NOT_IN_TEXT)) == len(data)
        match = _usual(words) if is_plain else None
        entries = _from_json(words) if match is None else None
    except (ValueError, RecursionError):  # a JSONDecodeError holds the text
        match = entries = None
    if match is not None:
        return _session_from_match(match)
    if not isinstance(entries, list):
        raise CorruptSessionError(
            f"stored session {id!r} cannot be read: it is not a JSON array", id=id
        )
    return read_property_array(entries, id)


def _both(text: str | bytes) -> tuple[str, bytes]:
    if isinstance(text, bytes):
        return text.decode(), text
    return text, text.encode(errors="surrogatepass")


def _session_from_match(match: "re.Match[str]") -> Session:
    # Without the constructors and their checks, which what matches has passed. Attributes are set
    # in a fraction of the time that a dict for all of them takes.
    session = _new(Session)
    (
        session.id, session.shop, session.state, online, session.scope, expires,
        session.access_token, session.refresh_token, refresh_token_expires, user_id, first_name,
        last_name, email, locale, email_verified, account_owner, collaborator,
    ) = match.groups()  # fmt: skip
    session.expires = None if expires is None else _read_date(expires)
    session.refresh_token_expires = (
        None if refresh_token_expires is None else _read_date(refresh_token_expires)
    )
    if online == "false":
        session.is_online = False
        session.online_access_info = None
        return session
    user = _new(AssociatedUser)
    user.id = None if user_id is None else int(user_id)
    user.first_name = first_name
    user.last_name = last_name
    user.email = email
    user.email_verified = _FLAGS[email_verified]
    user.account_owner = _FLAGS[account_owner]
    user.collaborator = _FLAGS[collaborator]
    user.locale = locale
    info = _new(OnlineAccessInfo)
    info.associated_user = user
    info.expires_in = info.associated_user_scope = None
    session.is_online = True
    session.online_access_info = info
    return session


def _read_date(milliseconds: str) -> datetime | None:
    number = int(milliseconds)
    return EPOCH + number * _MILLISECOND if number else None
