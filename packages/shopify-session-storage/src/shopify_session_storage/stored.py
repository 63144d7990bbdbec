"""How a session becomes what is stored, and back."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from types import NoneType
from typing import Any, Final, TypeVar

from shopify_session_storage.errors import CorruptSessionError, InvalidSessionError
from shopify_session_storage.failures import hides_arguments
from shopify_session_storage.javascript import (
    EPOCH,
    js_date,
    js_flag,
    js_is_online,
    js_string,
    js_user_id,
)
from shopify_session_storage.plain import plain_text
from shopify_session_storage.session import AssociatedUser, OnlineAccessInfo, Session

_Stored = TypeVar("_Stored")
_Instance = TypeVar("_Instance", Session, OnlineAccessInfo, AssociatedUser)

COLUMNS: Final = (
    "id", "shop", "state", "isOnline", "scope", "expires", "accessToken", "refreshToken",
    "refreshTokenExpires", "userId", "firstName", "lastName", "email", "locale", "emailVerified",
    "accountOwner", "collaborator",
)  # fmt: skip
"""The keys of the property array in its order, which are the columns in SQL, too."""

_new = object.__new__
_MILLISECOND: Final = timedelta(milliseconds=1)
_PLAIN: Final = frozenset(
    (str, int, bool, datetime, NoneType, OnlineAccessInfo, AssociatedUser),
)
_KEYS: Final = frozenset(COLUMNS)
_KEPT_EXACTLY: Final = (
    "id",
    "shop",
    "state",
    "is_online",
    "scope",
    "access_token",
    "refresh_token",
)


def copy_session(session: Session) -> Session:
    """Return a copy of *session* that shares nothing with it."""
    info = session.online_access_info
    if type(session) is not Session:
        copy = _copy_of_any(session)
    else:
        # One by one, in a fraction of the time that a dict of them takes: every store, every shared
        # load and every hit of a cache makes a copy.
        copy = _new(Session)
        copy.id = session.id
        copy.shop = session.shop
        copy.state = session.state
        copy.is_online = session.is_online
        copy.scope = session.scope
        copy.expires = session.expires
        copy.access_token = session.access_token
        copy.refresh_token = session.refresh_token
        copy.refresh_token_expires = session.refresh_token_expires
    copy.online_access_info = None if info is None else _copy_info(info)
    return copy


def _copy_info(info: OnlineAccessInfo) -> OnlineAccessInfo:
    user = info.associated_user
    if type(info) is not OnlineAccessInfo or type(user) is not AssociatedUser:
        copy = _copy_of_any(info)
        copy.associated_user = _copy_of_any(user)
        return copy
    new_user = _new(AssociatedUser)
    new_user.id = user.id
    new_user.first_name = user.first_name
    new_user.last_name = user.last_name
    new_user.email = user.email
    new_user.email_verified = user.email_verified
    new_user.account_owner = user.account_owner
    new_user.collaborator = user.collaborator
    new_user.locale = user.locale
    copy = _new(OnlineAccessInfo)
    copy.associated_user = new_user
    copy.expires_in = info.expires_in
    copy.associated_user_scope = info.associated_user_scope
    return copy


def _copy_of_any(instance: _Instance) -> _Instance:
    copy = _new(type(instance))
    copy.__dict__.update(instance.__dict__)
    return copy


def plain_session(session: Session) -> Session:
    """Return a copy of *session* that shares nothing with it, and has no text but plain str."""
    copy = copy_session(session)
    _make_plain(copy.__dict__)
    info = copy.online_access_info
    if info is not None:
        _make_plain(info.__dict__)
        _make_plain(info.associated_user.__dict__)
    return copy


def _make_plain(values: dict[str, Any]) -> None:
    if not _PLAIN.issuperset(map(type, values.values())):
        for name, value in values.items():
            if isinstance(value, str):
                values[name] = plain_text(value)


def stored_session(session: Session) -> Session:
    """Return a copy of *session* with only what storages keep; it shares no object with it.

    Text is plain str. Dates are in UTC and in whole milliseconds. The user's data is kept for
    online sessions only, and those always have some.
    """
    return _what_is_kept(plain_session(session))


def stored_plain_session(session: Session) -> Session:
    """Return what :func:`stored_session` does, of a session that has no text but plain str."""
    return _what_is_kept(copy_session(session))


def _what_is_kept(copy: Session) -> Session:
    if copy.expires is not None:
        copy.expires = _in_utc(copy.expires)
    if copy.refresh_token_expires is not None:
        copy.refresh_token_expires = _in_utc(copy.refresh_token_expires)
    if not copy.is_online:
        copy.online_access_info = None
    elif copy.online_access_info is None:
        copy.online_access_info = OnlineAccessInfo()
    return copy


def _in_utc(date: datetime) -> datetime:
    # As it comes from a storage.
    if type(date) is datetime and date.tzinfo is UTC and date.microsecond % 1000 == 0:
        return date
    # The sum is a datetime also where the date is of a subclass.
    return EPOCH + (date - EPOCH) // _MILLISECOND * _MILLISECOND


def has_same_tokens(stored: Session | None, expected: Session | None) -> bool:
    """Tell whether both have the same access token and refresh token, or both are None."""
    if stored is None or expected is None:
        return stored is expected
    return (stored.access_token, stored.refresh_token) == (
        expected.access_token,
        expected.refresh_token,
    )


def is_same_write(stored: Session | None, written: Session) -> bool:
    """Tell whether *stored* is what was *written*, as far as every layout keeps it exactly.

    For writes that may have taken effect although their connection was lost.
    """
    return stored is not None and all(
        # Where a layout has no NULL for a token, the empty one stands for it.
        (getattr(stored, name) or None) == (getattr(written, name) or None)
        for name in _KEPT_EXACTLY
    )


def read_stored(read: Callable[[_Stored], Session], stored: _Stored, id: object = None) -> Session:
    """Read stored data as a session.

    Args:
        read: Turns the data into a session.
        stored: The data.
        id: The id under which it is stored, for the message.

    Raises:
        CorruptSessionError: If it cannot be read. Neither message nor cause shows a value, since it
            may be a token.
    """
    try:
        return read(stored)
    except InvalidSessionError as error:  # its message names the field
        reason = str(error)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        reason = type(error).__name__
    del stored  # error reporters show the locals of this frame
    raise CorruptSessionError(f"stored session {id!r} cannot be read: {reason}", id=id)


def session_from_values(
    values: Sequence[Any], expires_unit: int = 1, refresh_token_expires_unit: int = 1
) -> Session:
    """Make a session from the values of :data:`COLUMNS`, converted as JavaScript does.

    Unlike ``Session.from_property_array()`` it keeps an empty refresh token.

    Args:
        values: The values, in the order of :data:`COLUMNS`; None where there is none.
        expires_unit: Unit of ``expires``, in milliseconds.
        refresh_token_expires_unit: Unit of ``refreshTokenExpires``, in milliseconds.

    Raises:
        InvalidSessionError: If a value is missing or cannot be coerced.
    """
    (
        id, shop, state, online, scope, expires, access_token, refresh_token,
        refresh_token_expires, user_id, first_name, last_name, email, locale, email_verified,
        account_owner, collaborator,
    ) = values  # fmt: skip
    # The tests for what is usual spare most of the calls: this is the hot path of a load.
    is_online = online if online is True or online is False else js_is_online(online)
    if not (type(id) is type(shop) is type(state) is str):
        raise InvalidSessionError("id, shop or state is missing or not a string")
    if type(access_token) is not str and access_token is not None:
        raise InvalidSessionError("accessToken is not a string")
    if type(scope) is not str:
        scope = js_string(scope, "scope")
    if type(refresh_token) is not str:
        refresh_token = js_string(refresh_token, "refreshToken") if js_flag(refresh_token) else None
    info = None
    if is_online:
        info = OnlineAccessInfo(
            AssociatedUser(
                js_user_id(user_id),
                js_string(first_name, "firstName"),
                js_string(last_name, "lastName"),
                js_string(email, "email"),
                js_flag(email_verified),
                js_flag(account_owner),
                js_flag(collaborator),
                js_string(locale, "locale"),
            )
        )
    # Without Session's own checks, which all of this has passed.
    session = object.__new__(Session)
    session.__dict__ = {
        "id": id,
        "shop": shop,
        "state": state,
        "is_online": is_online,
        "scope": scope,
        "expires": js_date(expires, "expires", expires_unit),
        "access_token": access_token,
        "refresh_token": refresh_token,
        "refresh_token_expires": js_date(
            refresh_token_expires, "refreshTokenExpires", refresh_token_expires_unit
        ),
        "online_access_info": info,
    }
    return session


@hides_arguments
def read_property_array(entries: Sequence[Sequence[Any]], id: object = None) -> Session:
    """Read a stored property array, for the layouts that keep one.

    Unlike ``Session.from_property_array()``, which follows JavaScript, it keeps an empty refresh
    token.

    Raises:
        CorruptSessionError: If it cannot be read.
    """
    return read_stored(_session_from_pairs, entries, id)


def _session_from_pairs(entries: Sequence[Sequence[Any]]) -> Session:
    try:
        keys, values = zip(*entries, strict=True)
        in_order = _in_order(keys)
    except (TypeError, ValueError):
        pass  # not pairs, or a key that is no text
    else:
        if in_order is not None:
            return session_from_values(in_order((*values, None)))
    # From an old release, or by another program.
    session = Session.from_property_array(entries, return_user_data=True)
    if session.refresh_token is None and any(
        key.lower() == "refreshtoken" and value == "" for key, value in entries
    ):
        session.refresh_token = ""
    return session


@lru_cache(maxsize=64)
def _in_order(keys: tuple[Any, ...]) -> Callable[[Sequence[Any]], tuple[Any, ...]] | None:
    """Return what puts the values of *keys*, and None after them, in the order of the columns.

    Returns:
        None if a key is unknown, or there twice. Sessions have but a few combinations of keys.
    """
    if len(set(keys)) < len(keys) or not _KEYS.issuperset(keys):
        return None
    places = {key: place for place, key in enumerate(keys)}
    return itemgetter(*(places.get(key, len(keys)) for key in COLUMNS))
