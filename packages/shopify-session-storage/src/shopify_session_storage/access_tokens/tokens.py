"""The access token that callers get: it holds secrets and never shows them."""

from collections.abc import Iterator, KeysView
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal

_REFRESH_FIELDS: Final = ("refresh_token", "refresh_token_expires")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class User:
    """Whose an online access token is. ``repr()`` shows the id alone.

    Attributes:
        id: Shopify's id of the user.
        first_name: The user's first name.
        last_name: The user's last name.
        scope: The scopes that this user has, separated by commas.
        email: The user's email address.
        account_owner: Whether the user owns the shop.
        locale: The user's language, such as ``"en"``.
        collaborator: Whether the user is a collaborator, who works for a partner.
        email_verified: Whether Shopify has verified the address.
    """

    id: int | None
    first_name: str | None = None
    last_name: str | None = None
    scope: str | None = None
    email: str | None = None
    account_owner: bool | None = None
    locale: str | None = None
    collaborator: bool | None = None
    email_verified: bool | None = None

    def __repr__(self) -> str:
        return f"<User id={self.id!r}>"


# Not a mapping: error reporters print what is in one. A dataclass, because that, or a dict, is what
# Shopify's package takes; with slots, because serializers fall back on vars().
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AccessToken:
    """An access token in the shape of Shopify's package, which accepts it like its own.

    ``token.token`` and ``token["token"]`` are the same. No ``repr()``, ``str()`` or error reporter
    shows its secrets. But ``dict(token)``, which is plain data with the keys of Shopify's package,
    ``dataclasses.asdict()`` and ``pickle`` contain them.

    Attributes:
        shop: What Shopify's package calls the shop: its domain without ``.myshopify.com``.
        token: The access token itself.
        expires: When it expires, in ISO 8601, or None if never.
        scope: Its scopes, separated by commas.
        access_mode: ``"offline"`` for the shop's token, ``"online"`` for a user's.
        refresh_token: The refresh token, which gets the next access token, or None.
        refresh_token_expires: When the refresh token expires, in ISO 8601, or None.
        user: The user, if the token is online.
    """

    shop: str
    token: str | None
    expires: str | None
    scope: str | None
    access_mode: Literal["online", "offline"]
    refresh_token: str | None = None
    refresh_token_expires: str | None = None
    user: User | None = None

    def __repr__(self) -> str:
        return (
            f"<AccessToken shop={self.shop!r} access_mode={self.access_mode!r} "
            f"expires={self.expires!r}>"
        )

    def keys(self) -> KeysView[str]:
        """Return the names of the fields, so that ``dict(token)`` works."""
        return dict.fromkeys(self._names()).keys()

    def __getitem__(self, name: str) -> Any:
        if name not in self._names():
            raise KeyError(name)
        value = getattr(self, name)
        return asdict(value) if isinstance(value, User) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    def _names(self) -> tuple[str, ...]:
        return _NAMES


class ClientCredentialsToken(AccessToken):
    """One that came from client credentials: it has no refresh token, not even None."""

    __slots__ = ()

    def _names(self) -> tuple[str, ...]:
        return _CLIENT_CREDENTIALS_NAMES


_NAMES: Final = tuple(field.name for field in fields(AccessToken))
_CLIENT_CREDENTIALS_NAMES: Final = tuple(name for name in _NAMES if name not in _REFRESH_FIELDS)
