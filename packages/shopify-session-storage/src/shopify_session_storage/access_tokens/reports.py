"""What a run over many shops finds and comes to; without a token, so that it can be kept."""

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
        shop: The shop's full domain; what was given, if that names no shop.
        reason: ``"access_token"``: it is due, the next use refreshes it; ``"refresh_token"``: that
            will expire soon, refresh it now; ``"lost"``: it has expired, only a merchant can help;
            ``"never_expires"``: the old kind of token, to be migrated; ``"failed"``: it could not
            be looked at; see ``error``.
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
    """What a run over many shops has done for one of them.

    Attributes:
        shop: The shop's full domain; what was given, if that names no shop.
        outcome: ``"done"``: refreshed or migrated; ``"skipped"``: there was nothing to do;
            ``"reauthorize"``: only a merchant who opens the app can help; ``"closed"``: Shopify
            serves the shop no more; ``"unreadable"``: what is stored cannot be read;
            ``"no_place"``: the backend has no columns for the new tokens, and Shopify was not
            asked; ``"no_shop"``: the name is none; ``"again"``: it failed, and that may have
            passed by the next run.
        error: What went wrong, without a token and a traceback; or None.
    """

    shop: str
    outcome: Outcome
    error: Exception | None = None


@dataclass
class Report:
    """The result of a run over many shops. Can be pickled; holds no token and no traceback.

    A run with ``on_result`` keeps only the counts.

    Attributes:
        done: The shops, by full domain, that were refreshed or migrated.
        skipped: Those where there was nothing to do.
        failed: Those that failed, with why; also what was given and names no shop.
        counts: How many there were of each outcome, as :class:`ShopResult` names them.
    """

    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, Exception] = field(default_factory=dict)
    counts: Counter[Outcome] = field(default_factory=Counter)

    @property
    def final(self) -> dict[str, Exception]:
        """What of ``failed`` will fail again: a merchant, or somebody who repairs it, must help."""
        return {shop: error for shop, error in self.failed.items() if isinstance(error, _FINAL)}

    @property
    def again(self) -> list[str]:
        """The shops of ``failed`` to give to the next run: their failure may have passed."""
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
