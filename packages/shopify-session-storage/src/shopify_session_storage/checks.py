"""What may be stored: the same rules for all backends, checked before anything is sent.

Adapters that extend :class:`~shopify_session_storage.BaseSessionStorage` get these checks from it;
those that extend only :class:`~shopify_session_storage.SessionStorage` must call them first in each
method.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from shopify_session_storage.errors import InvalidSessionError
from shopify_session_storage.glance import size_if_usual
from shopify_session_storage.limits import (
    FIRST_DATE,
    LAST_DATE,
    MAX_KEY_BYTES,
    MAX_KEY_CHARACTERS,
    MAX_SAFE_INTEGER,
    MAX_SESSION_BYTES,
    RESERVED_IDS,
)
from shopify_session_storage.plain import plain_text
from shopify_session_storage.session import (
    AssociatedUser,
    OnlineAccessInfo,
    Session,
)
from shopify_session_storage.stored import stored_plain_session, stored_session
from shopify_session_storage.values import check_date

_SESSION_TEXTS: Final = ("state", "scope", "access_token", "refresh_token")
_USER_TEXTS: Final = ("first_name", "last_name", "email", "locale")
_USER_FLAGS: Final = ("email_verified", "account_owner", "collaborator")


def check_session_id(id: str) -> None:
    """Check that *id* can be a session's id on every backend.

    Raises:
        TypeError: If it is not a str.
        ValueError: If it is empty, longer than 255 characters or 500 bytes of UTF-8, has a NUL or
            a lone surrogate, or is a key that a layout needs for itself (``migrations``, ``.``,
            ``..``, or one that begins with ``shop:``).
    """
    _check_key("id", id)
    if id in RESERVED_IDS or id.startswith("shop:"):
        raise InvalidSessionError(f"id {id!r} is reserved")


def is_session_id(name: str) -> bool:
    """Tell whether *name* can be a session's id; see :func:`check_session_id`."""
    try:
        check_session_id(name)
    except ValueError:
        return False
    return True


def check_session_ids(ids: Iterable[str]) -> list[str]:
    """Check ids as :func:`check_session_id` does and return them without duplicates.

    Raises:
        TypeError: If *ids* is a str, is not iterable, or holds something else than str.
        ValueError: If one cannot be a session's id.
    """
    if isinstance(ids, str | bytes):
        raise TypeError(f"ids must be an iterable of str, not {type(ids).__name__}")
    unique = list(dict.fromkeys(ids))
    for id in unique:
        check_session_id(id)
    return list(map(plain_text, unique))


def check_shop(shop: str) -> None:
    """Check that *shop* can be a session's shop on every backend.

    Raises:
        TypeError: If it is not a str.
        ValueError: As :func:`check_session_id`. Only ``migrations`` is reserved, the name of
            Redis's migration record.
    """
    _check_key("shop", shop)
    if shop == "migrations":
        raise InvalidSessionError("shop 'migrations' is reserved")


def check_session(session: Session) -> int:
    """Check that *session* can be stored on every backend.

    Its ``id`` and ``shop`` pass :func:`check_session_id` and :func:`check_shop` and differ, no
    text has a NUL or a lone surrogate, dates lie from one second after the epoch to the year
    9999, the user's id from 0 to 2**53 - 1, and all text together takes at most 300 kB.

    Returns:
        The size of the session's text in bytes of UTF-8.

    Raises:
        TypeError: If *session* or a field is of another type.
        InvalidSessionError: If a value is not storable. The message names the field, not the value.
    """
    size = size_if_usual(session)
    return _check_thoroughly(session) if size is None else size


def checked_session(session: Session) -> tuple[Session, int]:
    """Check *session* as :func:`check_session` does.

    Returns:
        What is to be stored of it, and its size in bytes of UTF-8.

    Raises:
        TypeError, InvalidSessionError: As :func:`check_session`.
    """
    size = size_if_usual(session)
    if size is not None:
        return stored_plain_session(session), size
    size = _check_thoroughly(session)
    return stored_session(session), size


def _check_thoroughly(session: Session) -> int:
    if not isinstance(session, Session):
        raise TypeError(f"session must be a Session, not {type(session).__name__}")
    check_session_id(session.id)
    check_shop(session.shop)
    if session.id == session.shop:
        raise InvalidSessionError("id must not be the session's own shop")
    if not isinstance(session.is_online, bool):
        raise TypeError(f"is_online must be a bool, not {type(session.is_online).__name__}")
    if session.state is None:
        raise TypeError("state must be a str, not None")
    _check_storable_date("expires", session.expires)
    _check_storable_date("refresh_token_expires", session.refresh_token_expires)

    size = len(session.id.encode()) + len(session.shop.encode())
    for name in _SESSION_TEXTS:
        size += _check_text(name, getattr(session, name))
    info = session.online_access_info
    if info is not None:
        size += _check_info(info)
    if size > MAX_SESSION_BYTES:
        raise InvalidSessionError(
            f"the session has {size} bytes of text; at most {MAX_SESSION_BYTES} can be stored"
        )
    return size


def check_comparison(session: Session, expected: Session | None) -> int:
    """Check the arguments of ``compare_and_store()``.

    Returns:
        The size of the session's text in bytes of UTF-8.

    Raises:
        TypeError: If *session* is not a Session, *expected* neither a Session nor None, or a
            field of another type.
        InvalidSessionError: If one of them is not storable, or they have different ids.
    """
    size = check_session(session)
    if expected is not None:
        if not isinstance(expected, Session):
            raise TypeError(f"expected must be a Session or None, not {type(expected).__name__}")
        check_session(expected)
        if expected.id != session.id:
            raise InvalidSessionError("expected must have the same id as the session")
    return size


def check_expected(expected: Session) -> int:
    """Check the argument of ``compare_and_delete()``.

    Returns:
        The size of its text in bytes of UTF-8.

    Raises:
        TypeError: If it is not a Session, or a field is of another type.
        InvalidSessionError: If it is not storable.
    """
    if not isinstance(expected, Session):
        raise TypeError(f"expected must be a Session, not {type(expected).__name__}")
    return check_session(expected)


def check_lease(name: str, holder: str, *ttl: timedelta) -> int:
    """Check the arguments of ``acquire_lease()`` and ``release_lease()``.

    Args:
        name: What is leased.
        holder: Who takes or releases it.
        ttl: How long it lasts; left out if it is released.

    Returns:
        The *ttl* in milliseconds, rounded up; 0 without one.

    Raises:
        TypeError: If *name* or *holder* is not a str, or *ttl* not a timedelta.
        ValueError: If *name* or *holder* is empty, longer than 255 characters or 500 bytes of
            UTF-8, or has a NUL or a lone surrogate; or if *ttl* is not positive.
    """
    _check_key("name", name)
    _check_key("holder", holder)
    for duration in ttl:
        if not isinstance(duration, timedelta):
            raise TypeError(f"ttl must be a timedelta, not {type(duration).__name__}")
        if duration <= timedelta(0):
            raise ValueError("ttl must be positive")
        milliseconds, rest = divmod(duration, timedelta(milliseconds=1))
        return milliseconds + bool(rest)
    return 0


def _check_key(name: str, value: str) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if not value:
        raise InvalidSessionError(f"{name} must not be empty")
    if len(value) > MAX_KEY_CHARACTERS:
        raise InvalidSessionError(f"{name} is longer than {MAX_KEY_CHARACTERS} characters")
    if _check_text(name, value) > MAX_KEY_BYTES:
        raise InvalidSessionError(f"{name} is longer than {MAX_KEY_BYTES} bytes of UTF-8")


def _check_text(name: str, value: str | None) -> int:
    """Check one text and return its size in bytes."""
    if value is None:
        return 0
    # What raises has no token among its variables, which error reporters show.
    if not isinstance(value, str):
        kind = type(value).__name__
        del value
        raise TypeError(f"{name} must be a str, not {kind}")
    if "\0" in value:
        del value
        raise InvalidSessionError(f"{name} must not contain NUL")
    if value.isascii():
        return len(value)
    size = _size_of(value)
    del value
    if size is None:
        raise InvalidSessionError(f"{name} must not contain lone surrogates")
    return size


def _size_of(text: str) -> int | None:
    """Return the size of a text in bytes of UTF-8; None if it has lone surrogates."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return None


def _check_storable_date(name: str, value: datetime | None) -> None:
    if value is None:
        return
    check_date(name, value)
    if not FIRST_DATE <= value <= LAST_DATE:
        raise InvalidSessionError(f"{name} must lie between the epoch and the year 9999")


def _check_info(info: OnlineAccessInfo) -> int:
    if not isinstance(info, OnlineAccessInfo):
        raise TypeError(
            f"online_access_info must be an OnlineAccessInfo, not {type(info).__name__}"
        )
    user = info.associated_user
    if not isinstance(user, AssociatedUser):
        raise TypeError(f"associated_user must be an AssociatedUser, not {type(user).__name__}")
    _check_integer("the user's id", user.id)
    _check_integer("expires_in", info.expires_in)
    for name in _USER_FLAGS:
        flag = getattr(user, name)
        if flag is not None and not isinstance(flag, bool):
            raise TypeError(f"{name} must be a bool, not {type(flag).__name__}")
    size = _check_text("associated_user_scope", info.associated_user_scope)
    for name in _USER_TEXTS:
        size += _check_text(name, getattr(user, name))
    return size


def _check_integer(name: str, value: int | None) -> None:
    if value is None:
        return
    if type(value) is not int:
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if not 0 <= value <= MAX_SAFE_INTEGER:
        raise InvalidSessionError(f"{name} must lie between 0 and 2**53 - 1")
