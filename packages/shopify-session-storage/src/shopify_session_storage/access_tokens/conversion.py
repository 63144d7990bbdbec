"""From the access tokens of Shopify's package to sessions, and back.

The package names a shop without ``.myshopify.com`` and gives dates as ISO 8601 text; a session has
the full domain and datetimes. Objects are taken by shape: a dataclass or a dict.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from shopify_session_storage.access_tokens.errors import (
    MalformedTokenResponse,
    RequestNotVerified,
)
from shopify_session_storage.access_tokens.frames import hides_locals
from shopify_session_storage.access_tokens.tokens import (
    AccessToken as AccessToken,  # for the modules that took it from here
)
from shopify_session_storage.access_tokens.tokens import ClientCredentialsToken, User
from shopify_session_storage.checks import check_session
from shopify_session_storage.errors import InvalidSessionError
from shopify_session_storage.ids import offline_session_id, online_session_id, sanitize_shop
from shopify_session_storage.session import AssociatedUser, OnlineAccessInfo, Session

# The state of a session whose token came from client credentials.
CLIENT_CREDENTIALS: Final = "client_credentials"

_USER_FIELDS: Final = (
    "id",
    "first_name",
    "last_name",
    "email",
    "email_verified",
    "account_owner",
    "locale",
    "collaborator",
)


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
    if ok is nothing or field(verified, "shop", nothing) is nothing:
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


def session_id(domain: str, mode: str, user_id: int | str | None) -> str:
    """Return the id that Shopify's JavaScript packages use for a session.

    Raises:
        ValueError: If *mode* is unknown, or if a user is named for ``"offline"`` or is not for
            ``"online"``.
    """
    if mode not in ("offline", "online"):
        raise ValueError(f'mode must be "offline" or "online", not {mode!r}')
    if (mode == "online") != (user_id is not None):
        raise ValueError("an online access token has a user_id, an offline one has none")
    return offline_session_id(domain) if user_id is None else online_session_id(domain, user_id)


@hides_locals
def session_from_access_token(token: object) -> Session:
    """Return the session that keeps *token*.

    Args:
        token: A ``TokenExchangeAccessToken`` or ``ClientCredentialsAccessToken`` of Shopify's
            package, or a dict of that shape. Its shop may be named in any way.

    Raises:
        ValueError: If it does not name a shop.
        MalformedTokenResponse: If it is not complete: no access token, a date that is none, an
            online one without its user, a refresh token without expiry.
    """
    shop = shop_domain(field(token, "shop"))
    mode = field(token, "access_mode")
    wrong: list[str] = []
    if mode not in ("online", "offline"):
        wrong.append("access_mode")
    access_token = _secret(token, "token", "access_token", wrong)
    if access_token is None:
        wrong.append("access_token")
    refresh_token = _secret(token, "refresh_token", "refresh_token", wrong)
    expires = _date(token, "expires", "expires_in", wrong)
    refresh_expires = _date(token, "refresh_token_expires", "refresh_token_expires_in", wrong)
    if refresh_token is not None:
        wrong += ["expires_in"] * (expires is None)
        wrong += ["refresh_token_expires_in"] * (refresh_expires is None)
    scope = field(token, "scope")
    if scope is not None and not isinstance(scope, str):
        wrong.append("scope")
    info = None
    user_id = None
    if mode == "online":
        user = field(token, "user")
        user_id = field(user, "id")
        if type(user_id) is not int:
            wrong.append("associated_user")
        info = OnlineAccessInfo(
            AssociatedUser(**{name: field(user, name) for name in _USER_FIELDS}),
            associated_user_scope=field(user, "scope"),
        )
    if wrong:
        fields = tuple(dict.fromkeys(wrong))
        raise MalformedTokenResponse(
            f"the access token is not complete: {', '.join(fields)}", shop=shop, fields=fields
        )
    session = Session(
        id=session_id(shop, mode, user_id),
        shop=shop,
        state="",
        is_online=mode == "online",
        scope=scope,
        expires=expires,
        access_token=access_token,
        refresh_token=refresh_token,
        refresh_token_expires=refresh_expires,
        online_access_info=info,
    )
    if _came_from_client_credentials(token, session):
        session.state = CLIENT_CREDENTIALS
    problem = None
    try:
        check_session(session)
    except (TypeError, InvalidSessionError) as error:
        problem = str(error)  # names the field, not the value
    if problem is not None:
        raise MalformedTokenResponse(f"the access token cannot be stored: {problem}", shop=shop)
    return session


def access_token_from_session(session: Session) -> AccessToken:
    """Return the access token that *session* keeps, in the shape of Shopify's package."""
    info = session.online_access_info
    user = None
    if info is not None:
        theirs = {name: getattr(info.associated_user, name) for name in _USER_FIELDS}
        user = User(**theirs, scope=info.associated_user_scope)
    kind = ClientCredentialsToken if is_client_credentials(session) else AccessToken
    return kind(
        shop=shop_name(session.shop),
        token=session.access_token,
        expires=_iso(session.expires),
        scope=session.scope,
        access_mode="online" if session.is_online else "offline",
        refresh_token=session.refresh_token,
        refresh_token_expires=_iso(session.refresh_token_expires),
        user=user,
    )


def is_client_credentials(session: Session) -> bool:
    """Tell whether the token came from client credentials, and is renewed with them.

    Its row says so in ``state``: an expiring token whose refresh token somebody lost, as old
    adapters did, looks the same otherwise.
    """
    return session.state == CLIENT_CREDENTIALS and session.refresh_token is None


def _came_from_client_credentials(token: object, session: Session) -> bool:
    # They are what has no refresh token, not even None.
    nothing = object()
    lacks = field(token, "refresh_token", nothing) is nothing
    return lacks and not session.is_online and session.expires is not None


def _secret(token: object, name: str, called: str, wrong: list[str]) -> str | None:
    value = field(token, name)
    if value is None:
        return None
    # What is not visible ASCII could not be sent in a header.
    if not isinstance(value, str) or not value or not all("!" <= c <= "~" for c in value):
        wrong.append(called)
        return None
    return value


def _date(token: object, name: str, called: str, wrong: list[str]) -> datetime | None:
    value = field(token, name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        wrong.append(called)
        return None
    return moment


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
