"""What somebody who looks at the page may let happen to a shop."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from shopify_session_storage import SessionStorage, offline_session_id
from shopify_session_storage.access_tokens import AccessTokenError, AccessTokenStore

from demo_app.merchants import Merchants
from demo_app.report import Report
from demo_app.shopify import Credentials, Shop
from demo_app.words import mask

# So many are told on the page.
_STEPS = 6

# What is on the button of each.
WORDS: Final = {
    "visit": "Visit",
    "expire": "Let the token expire",
    "refresh": "Refuse the token (401)",
    "uninstall": "Uninstall",
}


@dataclass
class Actions:
    """Lets something happen to a shop.

    Attributes:
        report: Where they are told.
        storage: Where the app keeps its sessions.
        tokens: The app's access tokens.
        merchants: Use the app.
        credentials: The app's.
    """

    report: Report
    storage: SessionStorage
    tokens: AccessTokenStore
    merchants: Merchants
    credentials: Credentials
    _begun: int | None = None  # where the first of them is in what was told

    def story(self) -> str:
        """Return what has happened by these actions, the newest first."""
        if self._begun is None:
            return "Nothing yet: press a button."
        told = self.report.text[self._begun :].replace(".myshopify.com", "").strip("\n")
        return "\n\n".join(reversed(told.split("\n\n")[-_STEPS:]))

    async def run(self, name: str, shop: Shop) -> None:
        """Do to *shop* what :data:`WORDS` calls *name*."""
        actions: dict[str, Callable[[Shop], Awaitable[None]]] = {
            "visit": self._visit,
            "expire": self._expire,
            "refresh": self._refresh,
            "uninstall": self._uninstall,
        }
        action = actions[name]
        if self._begun is None:
            self._begun = len(self.report.text)
        self.report.step(f"{WORDS[name]}: {shop.name}")
        await action(shop)

    async def _visit(self, shop: Shop) -> None:
        for user in shop.users:
            await self.merchants.open_app(shop, user)

    async def _expire(self, shop: Shop) -> None:
        session = await self.storage.load_session(offline_session_id(shop.domain))
        if session is None or session.expires is None:
            self.report.line("  There is no token that could expire.")
            return
        past = datetime.now(UTC) - timedelta(seconds=1)
        await self.storage.store_session(replace(session, expires=past))
        self.report.line(f"  An hour has passed: {mask(session.access_token)} has expired.")

    async def _refresh(self, shop: Shop) -> None:
        self.report.event("Shopify", "app", f"401 for the token of {shop.name}")
        refused = await self.tokens.load(shop.domain)
        if refused is None:
            self.report.line("  There is no token.")
            return
        try:
            token = await self.tokens.get(shop.domain, refused=refused)
        except AccessTokenError as error:
            self.report.line(f"  {type(error).__name__}: a merchant has to open the app.")
        else:
            assert token is not None  # one was stored a moment ago
            self.report.line(f"  The app goes on with {mask(token.token)}.")

    async def _uninstall(self, shop: Shop) -> None:
        webhook = self.merchants.uninstall(shop, self.credentials)
        await self.merchants.send("Shopify", "app/uninstalled", webhook, 200)
