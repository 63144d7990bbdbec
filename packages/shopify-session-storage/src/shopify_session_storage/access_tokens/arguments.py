"""What callers pass in: read whatever its shape, and refused at once if it cannot be."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from shopify_session_storage.access_tokens.errors import ReauthorizationRequired, RequestNotVerified
from shopify_session_storage.access_tokens.tokens import AccessToken
from shopify_session_storage.ids import offline_session_id, online_session_id, sanitize_shop
from shopify_session_storage.scopes import AuthScopes
from shopify_session_storage.session import Session

_USER_ID: Final = re.compile("[0-9]+")


def field(given: object, name: str, default: Any = None) -> Any:
    """Return a field of a dataclass or a dict."""
    if isinstance(given, Mapping):
        return given.get(name, default)
    if isinstance(given, AccessToken) and name not in given:
        return default
    return getattr(given, name, default)


def check_verified(verified: object) -> None:
    """Check what is to be the result of ``verify_app_home_req()`` or one of its kin.

    Raises:
        TypeError: If it is something else.
        RequestNotVerified: If it says that the request is not verified, with the package's reason
            and response.
    """
    nothing = object()
    ok = field(verified, "ok", nothing)
    if ok is nothing or (ok and field(verified, "shop", nothing) is nothing):
        raise TypeError(
            "verified must be the result of verify_app_home_req() or one of its kin, "
            f"not a {type(verified).__name__}"
        )
    if not ok:
        log = field(verified, "log")
        raise RequestNotVerified(
            str(field(log, "code", "unknown")),
            str(field(log, "detail", "Shopify's package did not verify it.")),
            response=field(verified, "response"),
        )


def shop_domain(shop: str | None) -> str:
    """Return the full domain of a shop, which may be named in any way.

    Raises:
        TypeError: If *shop* is neither a str nor None.
        ValueError: If it does not name a shop.
    """
    domain = sanitize_shop("" if shop is None else shop)
    if domain is None:
        raise ValueError(f"{shop!r} does not name a shop")
    return domain


def shop_name(domain: str) -> str:
    """Return what Shopify's package calls a shop: the domain without ``.myshopify.com``."""
    return domain.removesuffix(".myshopify.com")


def check_mode(mode: object) -> None:
    """Raise TypeError unless *mode* is a str, ValueError unless it is a known one."""
    if not isinstance(mode, str):
        raise TypeError(f"mode must be a str, not {type(mode).__name__}")
    if mode not in ("offline", "online"):
        raise ValueError(f'mode must be "offline" or "online", not {mode!r}')


def session_id(domain: str, mode: str, user_id: int | str | None) -> str:
    """Return the id that Shopify's JavaScript packages use for a session.

    Raises:
        TypeError: If *mode* is not a str, or *user_id* neither an int, nor a str, nor None.
        ValueError: If *mode* is unknown, if a user is named for ``"offline"`` or is not for
            ``"online"``, or if *user_id* is not a whole number.
    """
    check_mode(mode)
    if (mode == "online") != (user_id is not None):
        raise ValueError("an online access token has a user_id, an offline one has none")
    if user_id is None:
        return offline_session_id(domain)
    if isinstance(user_id, bool) or not isinstance(user_id, int | str):
        raise TypeError(f"user_id must be an int or a str, not {type(user_id).__name__}")
    if not _USER_ID.fullmatch(str(user_id)):
        raise ValueError(f"user_id must be a whole number, not {user_id!r}")
    return online_session_id(domain, user_id)


def lacks_scopes(
    session: Session, scopes: str | Iterable[str] | AuthScopes | None
) -> tuple[str, ...]:
    """Return which of *scopes* the access token of *session* is not good for."""
    info = session.online_access_info
    of_user = None if info is None else info.associated_user_scope
    granted = AuthScopes(session.scope if of_user is None else of_user)
    return tuple(scope for scope in AuthScopes(scopes) if not granted.has(scope))


def check_scopes(session: Session, scopes: str | Iterable[str] | AuthScopes | None) -> None:
    """See that the access token of *session* is good for all of *scopes*.

    Raises:
        TypeError: If *scopes* are something else.
        ReauthorizationRequired: If some are missing: the merchant has to grant them.
    """
    if missing := lacks_scopes(session, scopes):
        raise ReauthorizationRequired(
            f"the access token lacks {', '.join(missing)}", shop=session.shop
        )
