"""Sessions as JSON text, for the layouts that keep a property array as JSON.

What nearly every session looks like, as JavaScript and this package write it, is written and read
without a list of pairs in between. Everything else goes through :mod:`json`.
"""

import json
import re
from datetime import datetime, timedelta
from functools import lru_cache

# What json.JSONEncoder(ensure_ascii=False) makes of a str, without what is around it there.
from json.encoder import encode_basestring as _quoted
from typing import Any, Final, TypeAlias

from shopify_session_storage.errors import CorruptSessionError
from shopify_session_storage.failures import hide_locals
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

# An app loads the same few sessions again and again, and nearly always they have not changed. What
# was made of the same bytes takes a quarter of the time, and can never be out of date. That is a
# few MB at most; longer texts are rare.
_REMEMBERED: Final = 2_000
_LONGEST_REMEMBERED: Final = 2_000

_Fields: TypeAlias = tuple[Any, ...]  # in the order of the columns


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
        is_short = len(text) <= _LONGEST_REMEMBERED
        fields = _remembered_fields(text) if is_short else _usual_fields(text)
    except ValueError:
        fields = None
    if fields is not None:
        return _session_of(fields)
    read = _read_slowly(text, id)
    del text  # error reporters show the locals of this frame
    if isinstance(read, CorruptSessionError):
        raise read
    return read


def _read_slowly(text: str | bytes, id: object) -> Session | CorruptSessionError:
    """Read what does not look like nearly every session."""
    try:
        entries = _from_json(_words(text))
    except (ValueError, RecursionError):  # a JSONDecodeError holds the text
        entries = None
    if not isinstance(entries, list):
        return CorruptSessionError(
            f"stored session {id!r} cannot be read: it is not a JSON array", id=id
        )
    try:
        return read_property_array(entries, id)
    except CorruptSessionError as error:
        hide_locals(error)
        return error


def _words(text: str | bytes) -> str:
    return text.decode() if isinstance(text, bytes) else text


def _usual_fields(text: str | bytes) -> _Fields | None:
    """Return the values of what looks like nearly every session; None for anything else."""
    data = text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
    if len(data.translate(None, _NOT_IN_TEXT)) < len(data):
        return None
    match = _usual(_words(text))
    if match is None:
        return None
    (
        id, shop, state, online, scope, expires, access_token, refresh_token,
        refresh_token_expires, user_id, first_name, last_name, email, locale, email_verified,
        account_owner, collaborator,
    ) = match.groups()  # fmt: skip
    return (
        id, shop, state, online == "true", scope, _read_date(expires), access_token, refresh_token,
        _read_date(refresh_token_expires), None if user_id is None else int(user_id), first_name,
        last_name, email, locale, _FLAGS[email_verified], _FLAGS[account_owner],
        _FLAGS[collaborator],
    )  # fmt: skip


_remembered_fields = lru_cache(_REMEMBERED)(_usual_fields)


def _session_of(fields: _Fields) -> Session:
    # Without the constructors and their checks, which what matches has passed. Attributes are set
    # in a fraction of the time that a dict for all of them takes.
    session = _new(Session)
    user = _new(AssociatedUser)
    (
        session.id, session.shop, session.state, session.is_online, session.scope, session.expires,
        session.access_token, session.refresh_token, session.refresh_token_expires, user.id,
        user.first_name, user.last_name, user.email, user.locale, user.email_verified,
        user.account_owner, user.collaborator,
    ) = fields  # fmt: skip
    if session.is_online:
        info = _new(OnlineAccessInfo)
        info.associated_user = user
        info.expires_in = info.associated_user_scope = None
        session.online_access_info = info
    else:
        session.online_access_info = None
    return session


def _read_date(milliseconds: str | None) -> datetime | None:
    number = 0 if milliseconds is None else int(milliseconds)
    return EPOCH + number * _MILLISECOND if number else None
