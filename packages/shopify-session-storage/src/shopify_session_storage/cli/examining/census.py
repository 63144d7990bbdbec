"""What the stored sessions are like: what will fail, and when."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Final

from shopify_session_storage.cli.examining.findings import Finding, Level, Tally
from shopify_session_storage.ids import offline_session_id, online_session_id, sanitize_shop
from shopify_session_storage.pages import SessionPage
from shopify_session_storage.session import Session

DEADLINE: Final = datetime(2027, 1, 1, tzinfo=UTC)
"""When Shopify invalidates the offline tokens of public apps that never expire."""

SOON: Final = timedelta(days=14)
_LONG_AGO: Final = timedelta(days=7)
_FIRST: Final = datetime(2015, 1, 1, tzinfo=UTC)
_LAST: Final = timedelta(days=3650)
_SEALED: Final = "enc1."

# Each kind of session: the level, what they are, and the remedy.
_MEANINGS: Final[dict[str, tuple[Level, str, str]]] = {
    "corrupt": (
        "fail",
        "that cannot be read as a session",
        "delete them; those shops then authenticate again",
    ),
    "dates": (
        "fail",
        "with a date before 2015 or more than ten years ahead: a program writes another unit",
        "find that program; let these shops authenticate again",
    ),
    "no token": (
        "warn",
        "without an access token: installs that were never finished",
        "delete them, or let these shops authenticate again",
    ),
    "ids": (
        "warn",
        "with an id that is not made from shop and user, so no app finds them by it",
        "store them under offline_session_id() or online_session_id()",
    ),
    "shops": (
        "warn",
        "of a shop that is not a myshopify.com domain in lower case",
        "pass shops through sanitize_shop() before they are stored",
    ),
    "users": (
        "warn",
        "online without a user id",
        "delete them; they are created again when the user comes back",
    ),
    "not refreshable": (
        "warn",
        "offline with a token that expires, and without a refresh token",
        "store everything that the token exchange returns: AccessTokenStore.save()",
    ),
    "refresh lost": (
        "warn",
        "offline with an expired refresh token: only a merchant who opens the app can help",
        "if these shops have uninstalled the app: shopify-sessions purge --offline",
    ),
    "refresh soon": (
        "warn",
        "offline with a refresh token that expires within 14 days",
        "run AccessTokenStore.keep_warm() every day",
    ),
    "refresh unknown": (
        "warn",
        "offline with a refresh token whose expiry is not stored",
        "the next refresh stores it: run AccessTokenStore.keep_warm()",
    ),
    "expired online": (
        "warn",
        "online sessions that expired more than a week ago",
        "run shopify-sessions purge once a day",
    ),
}


class Census:
    """Counts sessions by what is to be said about them.

    Args:
        now: When it is.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.sessions = self.offline = self.online = 0
        self._tallies: dict[str, Tally] = defaultdict(Tally)
        self._sealed: dict[str, int] = defaultdict(int)
        self._plain = 0

    def add(self, page: SessionPage) -> None:
        """Count the sessions of a page."""
        for id in page.corrupt:
            self._tallies["corrupt"].add(id)
        for session in page.sessions:
            self.sessions += 1
            for kind in self._kinds(session):
                self._tallies[kind].add(session.id)
            self._count_keys(session)

    def numbers(self) -> dict[str, int]:
        """Return all numbers, by name."""
        kinds = ("never expires", *_MEANINGS)
        return {
            "sessions": self.sessions,
            "offline": self.offline,
            "online": self.online,
            **{kind.replace(" ", "_"): self._tallies[kind].number for kind in kinds},
        }

    def findings(self) -> list[Finding]:
        """Return what is to be said."""
        found = [self._deadline()]
        for kind, (level, meaning, remedy) in _MEANINGS.items():
            tally = self._tallies[kind]
            if tally.number:
                found.append(Finding(kind, level, f"{tally.number:,} {meaning}{tally}", remedy))
        return [self._summary(), *found, *self._keys()]

    def _summary(self) -> Finding:
        return Finding(
            "sessions",
            "ok",
            f"{self.sessions:,}: {self.offline:,} offline, {self.online:,} online",
        )

    def _deadline(self) -> Finding:
        tally = self._tallies["never expires"]
        left = (DEADLINE - self._now).days
        when = f"in {left} days" if left >= 0 else f"{-left} days ago"
        if not tally.number:
            return Finding("deadline", "ok", "no offline token that never expires")
        return Finding(
            "deadline",
            "warn" if left >= 0 else "fail",
            f"{tally.number:,} offline with a token that never expires, which Shopify invalidates "
            f"for public apps on {DEADLINE:%Y-%m-%d}, {when}{tally}",
            "run AccessTokenStore.migrate_to_expiring(), which needs no merchant",
        )

    def _kinds(self, session: Session) -> list[str]:
        kinds = [*self._kinds_of_either(session)]
        if session.is_online:
            self.online += 1
            info = session.online_access_info
            user = None if info is None else info.associated_user.id
            if user is None:
                kinds.append("users")
            elif session.id != online_session_id(session.shop, user):
                kinds.append("ids")
            if session.expires is not None and session.expires < self._now - _LONG_AGO:
                kinds.append("expired online")
            return kinds
        self.offline += 1
        if session.id != offline_session_id(session.shop):
            kinds.append("ids")
        if session.access_token and (lifetime := self._lifetime(session)) is not None:
            kinds.append(lifetime)
        return kinds

    def _kinds_of_either(self, session: Session) -> list[str]:
        kinds = []
        if not session.access_token:
            kinds.append("no token")
        if sanitize_shop(session.shop) != session.shop:
            kinds.append("shops")
        dates = (session.expires, session.refresh_token_expires)
        if any(date and not _FIRST < date < self._now + _LAST for date in dates):
            kinds.append("dates")
        return kinds

    def _lifetime(self, session: Session) -> str | None:
        """Return what is to be said about the lifetimes of an offline session, if anything."""
        if session.expires is None:
            return "never expires"
        if not session.refresh_token:
            return "not refreshable"
        ends = session.refresh_token_expires
        if ends is None:
            return "refresh unknown"
        if ends < self._now:
            return "refresh lost" if session.expires < self._now else "refresh soon"
        return "refresh soon" if ends < self._now + SOON else None

    def _count_keys(self, session: Session) -> None:
        for token in (session.access_token, session.refresh_token):
            if not token:
                continue
            if token.startswith(_SEALED):
                self._sealed[token.split(".", 2)[1][:16]] += 1
            else:
                self._plain += 1

    def _keys(self) -> list[Finding]:
        """Tell under which keys tokens are sealed."""
        if not self._sealed:
            return []
        keys = ", ".join(f"{number:,} under {id}" for id, number in sorted(self._sealed.items()))
        if not self._plain and len(self._sealed) == 1:
            return [Finding("encryption", "ok", f"all tokens are encrypted: {keys}")]
        plain = f"{self._plain:,} tokens are in plain text, " if self._plain else ""
        return [
            Finding(
                "encryption",
                "warn",
                f"{plain}{keys}",
                "run shopify-sessions reencrypt as soon as every process has the new key",
            )
        ]
