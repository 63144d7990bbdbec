"""The session of a Shopify app: one access token and what belongs to it.

The conversions follow ``Session`` of Shopify's ``@shopify/shopify-api`` (15.0.0) value by value,
so that what either language stores the other one reads.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shopify_session_storage.errors import InvalidSessionError
from shopify_session_storage.failures import hides_arguments
from shopify_session_storage.javascript import (
    js_date,
    js_flag,
    js_is_online,
    js_string,
    js_user_id,
    to_milliseconds,
)
from shopify_session_storage.scopes import AuthScopes
from shopify_session_storage.values import (
    check_date,
    flag,
    optional_date,
    optional_flag,
    optional_integer,
    optional_text,
    text,
)


@dataclass
class AssociatedUser:
    """The Shopify user that an online session belongs to. None means unknown."""

    id: int | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    email_verified: bool | None = None
    account_owner: bool | None = None
    collaborator: bool | None = None
    locale: str | None = None


@dataclass
class OnlineAccessInfo:
    """What Shopify tells about the user of an online session.

    Attributes:
        associated_user: The user.
        expires_in: Lifetime of the access token in seconds, as granted.
        associated_user_scope: The scopes that this user has, separated by commas.

    ``expires_in`` and ``associated_user_scope`` have no place in the property array, so the SQL,
    Redis and KV layouts do not keep them.
    """

    associated_user: AssociatedUser = field(default_factory=AssociatedUser)
    expires_in: int | None = None
    associated_user_scope: str | None = None


@dataclass(kw_only=True)
class Session:
    """One access token of one shop, offline or of one user.

    Attributes:
        id: ``offline_session_id(shop)`` or ``online_session_id(shop, user_id)`` in embedded apps.
        shop: The shop's full domain, ``example.myshopify.com``.
        state: The OAuth nonce; ``""`` for token exchange, refresh and client credentials.
        is_online: Whether the token belongs to a user (online) or to the shop (offline).
        scope: The granted scopes, separated by commas, kept verbatim.
        expires: When the access token expires; None for one that does not. Timezone-aware.
        access_token: The access token. Not shown by ``repr()``.
        refresh_token: The refresh token of an expiring offline token. Not shown by ``repr()``.
        refresh_token_expires: When the refresh token expires. Timezone-aware.
        online_access_info: The user of an online session. Storages do not keep it for offline ones.

    Raises:
        ValueError: If a date has no time zone.
        TypeError: If a date is not a datetime.
    """

    id: str
    shop: str
    state: str
    is_online: bool
    scope: str | None = None
    expires: datetime | None = None
    access_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    refresh_token_expires: datetime | None = None
    online_access_info: OnlineAccessInfo | None = None

    def __post_init__(self) -> None:
        if self.expires is not None:
            check_date("expires", self.expires)
        if self.refresh_token_expires is not None:
            check_date("refresh_token_expires", self.refresh_token_expires)

    def is_active(
        self,
        scopes: str | Iterable[str] | AuthScopes | None = None,
        within: timedelta = timedelta(milliseconds=500),
    ) -> bool:
        """Tell whether there is an access token, not expired *within* and with *scopes*.

        Args:
            scopes: The scopes that the app needs; None to ignore them.
            within: How long before its expiry the token counts as expired.
        """
        return (
            bool(self.access_token)
            and not self.is_expired(within)
            and not self.is_scope_changed(scopes)
        )

    def is_expired(self, within: timedelta = timedelta(0)) -> bool:
        """Tell whether the access token expires *within* this time. False if it never expires."""
        return self.expires is not None and self.expires - datetime.now(UTC) < within

    def is_scope_changed(self, scopes: str | Iterable[str] | AuthScopes | None) -> bool:
        """Tell whether *scopes* are no longer all granted. False for None."""
        return scopes is not None and not self.is_scope_included(scopes)

    def is_scope_included(self, scopes: str | Iterable[str] | AuthScopes | None) -> bool:
        """Tell whether all of *scopes* are granted, also those that write access implies."""
        return AuthScopes(self.scope).has(scopes)

    def equals(self, other: object) -> bool:
        """Tell whether *other* is the same session, as JavaScript's ``Session.equals()`` does.

        It compares the property arrays with user data. So dates are compared to the millisecond,
        and ``expires_in`` and ``associated_user_scope`` are not compared.
        """
        return isinstance(other, Session) and (
            self.to_property_array(return_user_data=True)
            == other.to_property_array(return_user_data=True)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the session as JavaScript's ``Session.toObject()`` does.

        ``id``, ``shop``, ``state`` and ``isOnline`` are always there, the other fields if they are
        set and not empty. Dates stay datetimes.
        """
        result: dict[str, Any] = {
            "id": self.id,
            "shop": self.shop,
            "state": self.state,
            "isOnline": self.is_online,
        }
        optional = {
            "scope": self.scope,
            "expires": self.expires,
            "accessToken": self.access_token,
            "refreshToken": self.refresh_token,
            "refreshTokenExpires": self.refresh_token_expires,
        }
        result.update((key, value) for key, value in optional.items() if value)
        info = self.online_access_info
        if info is not None:
            user = {
                key: value
                for key in _USER_FIELDS
                if (value := getattr(info.associated_user, key)) is not None
            }
            result["onlineAccessInfo"] = {"associated_user": user}
            if info.expires_in is not None:
                result["onlineAccessInfo"]["expires_in"] = info.expires_in
            if info.associated_user_scope is not None:
                result["onlineAccessInfo"]["associated_user_scope"] = info.associated_user_scope
        return result

    @classmethod
    @hides_arguments
    def from_dict(cls, data: Mapping[str, Any]) -> "Session":
        """Make a session from the shape that :meth:`to_dict` returns. Unknown keys are ignored.

        Dates may be text as well, as JSON has them: ISO 8601 with an offset or ``Z``.

        Raises:
            InvalidSessionError: If a value is missing or has the wrong type, or a date has no time
                zone.
        """
        if not isinstance(data, Mapping):
            raise InvalidSessionError("a session can only be made from a mapping")
        return cls(
            id=text(data, "id"),
            shop=text(data, "shop"),
            state=text(data, "state"),
            is_online=flag(data, "isOnline"),
            scope=optional_text(data, "scope"),
            expires=optional_date(data, "expires"),
            access_token=optional_text(data, "accessToken"),
            refresh_token=optional_text(data, "refreshToken"),
            refresh_token_expires=optional_date(data, "refreshTokenExpires"),
            online_access_info=_optional_info(data.get("onlineAccessInfo")),
        )

    def to_property_array(
        self, return_user_data: bool = False
    ) -> list[tuple[str, str | int | bool]]:
        """Return the session as JavaScript's ``Session.toPropertyArray()`` does.

        Pairs of key and value in a fixed order; what is None is left out, empty strings are kept,
        dates are integer milliseconds since the epoch, rounded down.

        Args:
            return_user_data: Whether to include all data of the user, as every storage does, or
                only the user's id.
        """
        info = self.online_access_info
        pairs: list[tuple[str, str | int | bool | None]] = [
            ("id", self.id),
            ("shop", self.shop),
            ("state", self.state),
            ("isOnline", self.is_online),
            ("scope", self.scope),
            ("expires", None if self.expires is None else to_milliseconds(self.expires)),
            ("accessToken", self.access_token),
            ("refreshToken", self.refresh_token),
            (
                "refreshTokenExpires",
                None
                if self.refresh_token_expires is None
                else to_milliseconds(self.refresh_token_expires),
            ),
        ]
        if info is not None:
            user = info.associated_user
            if return_user_data:
                pairs += [
                    ("userId", user.id),
                    ("firstName", user.first_name),
                    ("lastName", user.last_name),
                    ("email", user.email),
                    ("locale", user.locale),
                    ("emailVerified", user.email_verified),
                    ("accountOwner", user.account_owner),
                    ("collaborator", user.collaborator),
                ]
            else:
                pairs.append(("onlineAccessInfo", user.id))
        return [(key, value) for key, value in pairs if value is not None]

    @classmethod
    @hides_arguments
    def from_property_array(
        cls, entries: Iterable[Iterable[Any]], return_user_data: bool = False
    ) -> "Session":
        """Make a session as JavaScript's ``Session.fromPropertyArray()`` does.

        Keys are matched without regard to case; unknown keys and None values are ignored; values
        are coerced as JavaScript does (``"TRUE"``, ``1`` and True are all online, a flag that is
        the string ``"false"`` is true, ``"1000"`` is a date, a date of 0 is none, an empty
        refresh token is none). User data counts only in an online session, which always gets an
        ``OnlineAccessInfo``.

        Args:
            entries: Pairs of key and value.
            return_user_data: Whether the pairs hold all data of the user or only the user's id.

        Raises:
            InvalidSessionError: If *entries* are not pairs, or a value is missing or cannot be
                coerced (JavaScript makes an Invalid Date or a NaN of it).
        """
        if isinstance(entries, str | bytes | Mapping):
            raise InvalidSessionError("a session can only be made from a list of pairs")
        values: dict[str, Any] = {}
        try:
            for key, value in entries:
                if value is not None:
                    values[key.lower()] = value
        except (TypeError, ValueError, AttributeError):
            raise InvalidSessionError("a session can only be made from a list of pairs") from None

        is_online = js_is_online(values.get("isonline"))
        refresh_token = values.get("refreshtoken")
        if not js_flag(refresh_token):
            refresh_token = None
        return cls(
            id=text(values, "id"),
            shop=text(values, "shop"),
            state=text(values, "state"),
            is_online=is_online,
            scope=js_string(values.get("scope"), "scope"),
            expires=js_date(values.get("expires"), "expires"),
            access_token=optional_text(values, "accesstoken"),
            refresh_token=js_string(refresh_token, "refreshToken"),
            refresh_token_expires=js_date(values.get("refreshtokenexpires"), "refreshTokenExpires"),
            online_access_info=_info_from_pairs(values, return_user_data) if is_online else None,
        )


# A date that is refused must show no token in the frame of what dataclasses have written.
Session.__init__ = hides_arguments(Session.__init__)  # type: ignore[method-assign]

_USER_FIELDS: Final = tuple(f.name for f in fields(AssociatedUser))


def _info_from_pairs(values: Mapping[str, Any], return_user_data: bool) -> OnlineAccessInfo:
    user = AssociatedUser()
    id_keys = ("userid", "onlineaccessinfo") if return_user_data else ("onlineaccessinfo",)
    ids = [value for key, value in values.items() if key in id_keys]
    if ids:
        user.id = js_user_id(ids[-1])
    if return_user_data:
        user.first_name = js_string(values.get("firstname"), "firstName")
        user.last_name = js_string(values.get("lastname"), "lastName")
        user.email = js_string(values.get("email"), "email")
        user.locale = js_string(values.get("locale"), "locale")
        user.email_verified = js_flag(values.get("emailverified"))
        user.account_owner = js_flag(values.get("accountowner"))
        user.collaborator = js_flag(values.get("collaborator"))
    return OnlineAccessInfo(associated_user=user)


def _optional_info(value: object) -> OnlineAccessInfo | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise InvalidSessionError("onlineAccessInfo is not a mapping")
    user = value.get("associated_user")
    if user is None:
        user = {}
    if not isinstance(user, Mapping):
        raise InvalidSessionError("associated_user is not a mapping")
    return OnlineAccessInfo(
        associated_user=AssociatedUser(
            id=optional_integer(user, "id"),
            first_name=optional_text(user, "first_name"),
            last_name=optional_text(user, "last_name"),
            email=optional_text(user, "email"),
            email_verified=optional_flag(user, "email_verified"),
            account_owner=optional_flag(user, "account_owner"),
            locale=optional_text(user, "locale"),
            collaborator=optional_flag(user, "collaborator"),
        ),
        expires_in=optional_integer(value, "expires_in"),
        associated_user_scope=optional_text(value, "associated_user_scope"),
    )
