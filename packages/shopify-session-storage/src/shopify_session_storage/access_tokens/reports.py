"""The results of a run over many shops. They hold no token, so they can be kept."""

import pickle
import traceback
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath
from typing import Final, Literal

from shopify_session_storage.access_tokens.errors import (
    AccessTokenError,
    ReauthorizationRequired,
    ShopUnavailable,
    TokenRefreshUnavailable,
)
from shopify_session_storage.errors import (
    CorruptSessionError,
    InvalidSessionError,
    SessionStorageError,
)

Reason = Literal["access_token", "refresh_token", "lost", "never_expires", "failed"]

Outcome = Literal[
    "done", "skipped", "reauthorize", "closed", "unreadable", "no_place", "no_shop", "again"
]

# What is the same when one tries again; names that are no shop are a ValueError or a TypeError.
_FINAL: Final = (
    ReauthorizationRequired,
    ShopUnavailable,
    CorruptSessionError,
    ValueError,
    TypeError,
)


@dataclass(frozen=True)
class RefreshDue:
    """A shop whose offline token needs attention.

    Attributes:
        shop: The shop's full domain; what was given, if that is not a shop.
        reason: ``"access_token"``: it is due, and the next use refreshes it;
            ``"refresh_token"``: it expires soon, or its end is not stored, so refresh it now;
            ``"lost"``: it has expired, and only a merchant can help; ``"never_expires"``: the old
            kind of token, to be migrated; ``"failed"``: the session could not be read, see
            ``error``.
        expires: When the access token expires, or None.
        refresh_token_expires: When the refresh token expires, or None.
        error: What went wrong, without a traceback, or None.
    """

    shop: str
    reason: Reason
    expires: datetime | None = None
    refresh_token_expires: datetime | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class ShopResult:
    """What a run over many shops did for one of them.

    Attributes:
        shop: The shop's full domain; what was given, if that is not a shop.
        outcome: ``"done"``: refreshed or migrated; ``"skipped"``: there was nothing to do;
            ``"reauthorize"``: only a merchant who opens the app can help; ``"closed"``: the shop is
            closed, frozen or locked; ``"unreadable"``: the stored session cannot be read;
            ``"no_place"``: the backend has no columns for the new tokens, so Shopify was not asked;
            ``"no_shop"``: the name is not a shop's; ``"again"``: it failed, but the next run may
            succeed.
        error: What went wrong, without a token or a traceback, or None.
    """

    shop: str
    outcome: Outcome
    error: Exception | None = None


@dataclass
class Report:
    """The result of a run over many shops. It can be pickled, and holds no token and no traceback.

    A run with ``on_result`` keeps only the counts.

    Attributes:
        done: The shops, by full domain, that were refreshed or migrated.
        skipped: Those where there was nothing to do.
        failed: Those that failed, each with its error; also names that are not shops.
        counts: How many shops had each outcome; see :class:`ShopResult`.
    """

    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, Exception] = field(default_factory=dict)
    counts: Counter[Outcome] = field(default_factory=Counter)

    @property
    def final(self) -> dict[str, Exception]:
        """The part of ``failed`` that will fail again until a merchant or an operator helps."""
        return {shop: error for shop, error in self.failed.items() if isinstance(error, _FINAL)}

    @property
    def again(self) -> list[str]:
        """The shops of ``failed`` to give to the next run, which may succeed."""
        return [shop for shop, error in self.failed.items() if not isinstance(error, _FINAL)]


def outcome_of(error: Exception) -> Outcome:
    """Tell what a failure means for its shop."""
    if isinstance(error, ReauthorizationRequired):
        return "reauthorize"
    if isinstance(error, ShopUnavailable):
        return "closed"
    if isinstance(error, CorruptSessionError):
        return "unreadable"
    if isinstance(error, InvalidSessionError):
        return "no_place"
    return "no_shop" if isinstance(error, _FINAL) else "again"


def kept(error: Exception, shop: str) -> Exception:
    """Return what to keep of an error that others may hold, too: no traceback, cause or token."""
    if isinstance(error, AccessTokenError | SessionStorageError):
        try:
            copy: Exception = pickle.loads(pickle.dumps(error))  # noqa: S301  # made right here
        except Exception:  # an adapter's own kind of error, perhaps
            return AccessTokenError(f"failed with {type(error).__name__}", shop=shop)
        if isinstance(copy, AccessTokenError):
            copy.response = None  # there is no request to answer
        if isinstance(copy, TokenRefreshUnavailable):
            copy.access_token = None
        return copy
    # Nobody knows what its message says.
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return AccessTokenError(f"failed with {type(error).__name__}{where}", shop=shop)
