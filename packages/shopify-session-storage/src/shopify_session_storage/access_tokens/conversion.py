"""From the access tokens of Shopify's package to sessions, and back.

The package names a shop without ``.myshopify.com`` and gives dates as ISO 8601 text; a session has
the full domain and datetimes. Objects are known by their fields: a dataclass or a dict will do.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from shopify_session_storage.access_tokens.arguments import (
    check_verified,
    field,
    session_id,
    shop_domain,
    shop_name,
)
from shopify_session_storage.access_tokens.code_grant import from_answer
from shopify_session_storage.access_tokens.errors import MalformedTokenResponse
from shopify_session_storage.access_tokens.frames import hides_locals
from shopify_session_storage.access_tokens.tokens import AccessToken, ClientCredentialsToken, User
from shopify_session_storage.checks import check_session
from shopify_session_storage.errors import InvalidSessionError
from shopify_session_storage.session import AssociatedUser, OnlineAccessInfo, Session

__all__ = [
    "AccessToken",
    "access_token_from_session",
    "check_verified",
    "field",
    "is_client_credentials",
    "session_from_access_token",
    "session_id",
    "shop_domain",
    "shop_name",
]

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


@hides_locals
def session_from_access_token(token: object, *, shop: str | None = None) -> Session:
    """Return the session that keeps *token*.

    Args:
        token: A ``TokenExchangeAccessToken`` or ``ClientCredentialsAccessToken`` of Shopify's
            package, an :class:`AccessToken`, a dict of that shape, or the JSON that Shopify
            answers to an authorization code grant.
        shop: The shop, named in any way; needed if *token* does not name it.

    Raises:
        TypeError: If it is not an access token.
        ValueError: If it does not name a shop, or names another one.
        MalformedTokenResponse: If it is not complete: it has no access token, a date that cannot be
            read, no user though it is online, or a refresh token without an expiry.
    """
    given = field(token, "shop")
    if isinstance(token, Mapping):
        if "access_token" in token and "token" not in token:
            if given is None and shop is None:
                raise ValueError("a code grant does not name its shop: pass shop=, too")
            token = from_answer(token, given)
    elif isinstance(token, type) or not hasattr(token, "token"):
        raise TypeError(
            "access_token must be an access token of Shopify's package, a dict of that shape or "
            f"the answer to a code grant, not a {type(token).__name__}"
        )
    domain = shop_domain(shop if given is None else given)
    if shop is not None and shop_domain(shop) != domain:
        raise ValueError(f"the access token is another shop's: {domain}")
    return _session(domain, token)


def _session(shop: str, token: object) -> Session:
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
    """Return the access token of *session*, in the shape that Shopify's package gives it."""
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
