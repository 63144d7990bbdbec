"""What happens in the demo, and what has to come of it."""

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Final

from shopify_session_storage import Session, SessionStorage, offline_session_id

from demo_app.merchants import Merchants, StoryError, bearer
from demo_app.report import Report, ReportedStorage
from demo_app.shopify import Credentials, Shop, SimulatedShopify, User, new_token
from demo_app.words import full_name, mask, when

ADA = User(902541635, "Ada", "Osei", "ada@demo-teas.example", account_owner=True)
ZOE = User(902541636, "Zoë", "Lindqvist", "zoe@demo-teas.example", scope="read_orders")
MINA = User(711203948, "Mina", "Hadid", "mina@demo-books.example", account_owner=True)
ROSA = User(548830127, "Rosa", "Quint", "rosa@demo-granary.example", account_owner=True)
JUNO = User(660914473, "Juno", "Park", "juno@demo-ferns.example", account_owner=True)

TEAS = Shop("demo-teas", (ADA, ZOE))
BOOKS = Shop("demo-books", (MINA,), scope="read_orders,write_products,read_inventory")
GRANARY = Shop("demo-granary", (ROSA,))
FERNS = Shop("demo-ferns", (JUNO,))
SHOPS: Final = (TEAS, BOOKS, GRANARY, FERNS)

_RUSH = 200


class Story:
    """Merchants use the app, over HTTP.

    Args:
        report: Where it is told.
        shopify: The token endpoint that the app talks to.
        credentials: The app's.
        storage: Where the app keeps its sessions.
        watched: The same storage as the app has it.
        merchants: Use the app.
    """

    def __init__(
        self,
        report: Report,
        shopify: SimulatedShopify,
        credentials: Credentials,
        storage: SessionStorage,
        watched: ReportedStorage,
        merchants: Merchants,
    ) -> None:
        self._report = report
        self._shopify = shopify
        self._credentials = credentials
        self._storage = storage
        self._watched = watched
        self._merchants = merchants
        self._answered: Counter[str] = Counter()

    async def tell(self) -> None:
        """Play it.

        Raises:
            StoryError: If something does not go as it should.
        """
        await self._clear()
        await self._first_visits()
        await self._later_visits()
        await self._expiry()
        await self._forgeries()
        await self._uninstall()
        await self._stored()

    async def _clear(self) -> None:
        left = [session.id for shop in SHOPS for session in await self._sessions(shop)]
        if left:
            await self._storage.delete_sessions(left)
            self._report.line(f"Used before: removed {len(left)} sessions of the demo's shops")

    async def _first_visits(self) -> None:
        self._report.step("1. First visits: ID tokens become access tokens")
        legacy = new_token("shpat")
        self._shopify.issued.add(legacy)
        await self._storage.store_session(
            Session(
                id=offline_session_id(GRANARY.domain),
                shop=GRANARY.domain,
                state="",
                is_online=False,
                scope=GRANARY.scope,
                access_token=legacy,
            )
        )
        self._report.line(f"  {GRANARY.name} installed the app when tokens did not expire yet")
        self._shopify.next_offline_seconds[BOOKS.name] = 1
        for shop in SHOPS:
            for user in shop.users:
                await self._merchants.open_app(shop, user)
        self._expect_answers("3 shops and 5 users got a token each", offline=3, online=5)

    async def _later_visits(self) -> None:
        self._report.step("2. Later visits: the tokens come from storage")
        regulars = [(TEAS, ADA), (TEAS, ZOE), (GRANARY, ROSA), (FERNS, JUNO)]
        for shop, user in regulars:
            await self._merchants.call_api(shop, user)
        self._expect_answers("Shopify was not asked")

        before = self._watched.calls.total()
        started = time.perf_counter()
        with self._report.quiet():
            calls = (self._merchants.call_api(*regulars[i % len(regulars)]) for i in range(_RUSH))
            await asyncio.gather(*calls)
        seconds = time.perf_counter() - started
        loads = self._watched.calls.total() - before
        self._check(loads == 2 * _RUSH, f"{_RUSH} requests at once: {loads} loads, {seconds:.1f} s")
        self._expect_answers("Shopify was still not asked")

    async def _expiry(self) -> None:
        self._report.step("3. An expired token is refreshed and replaced")
        old = await self._offline(BOOKS)
        assert old.expires is not None
        self._report.line(f"  {BOOKS.name} was granted one second; waiting for it to pass")
        remaining = (old.expires - datetime.now(UTC)).total_seconds()
        await asyncio.sleep(max(0, remaining) + 0.05)
        self._check(old.is_expired(), f"{mask(old.access_token)} has expired")
        await self._merchants.call_api(BOOKS, MINA)
        new = await self._offline(BOOKS)
        self._expect_answers("one refresh, no exchange", refresh=1)
        self._check(
            new.access_token != old.access_token and new.refresh_token != old.refresh_token,
            f"{mask(old.access_token)} replaced by {mask(new.access_token)}, "
            "and so was its refresh token",
        )
        self._check(not new.is_expired(), f"expires {when(new.expires)}")
        await self._merchants.call_api(BOOKS, MINA)
        self._expect_answers("the next visit loads it")

    async def _forgeries(self) -> None:
        self._report.step("4. Forged and stale requests are refused")
        calls = self._watched.calls.total()
        forger = Credentials(self._credentials.client_id, "a-secret-that-is-somebody-elses-guess")
        forged = forger.id_token(FERNS, JUNO)
        stale = self._credentials.id_token(FERNS, JUNO, lifetime=-60)
        stranger = Credentials("another-app", self._credentials.client_secret)

        for what, token in [
            ("an ID token with a forged signature", forged),
            ("an ID token that expired a minute ago", stale),
            ("an ID token of another app", stranger.id_token(FERNS, JUNO)),
        ]:
            await self._merchants.send(
                "Mallory", what, self._merchants.client.get("/api/me", headers=bearer(token)), 401
            )
        page = self._merchants.client.get("/app", params={"shop": FERNS.domain})
        response = await self._merchants.send("Juno", "a page without an ID token", page, 302)
        page = self._merchants.client.get(response.headers["location"])
        await self._merchants.send("Juno", "the page that fetches one", page, 200)
        webhook = self._merchants.uninstall(FERNS, forger)
        await self._merchants.send(
            "Mallory", "app/uninstalled with a forged signature", webhook, 401
        )
        self._check(self._watched.calls.total() == calls, "the storage was not asked")
        self._expect_answers("and neither was Shopify")

    async def _uninstall(self) -> None:
        self._report.step("5. A shop uninstalls: its sessions go")
        others = [shop for shop in SHOPS if shop is not FERNS]
        before = [len(await self._sessions(shop)) for shop in others]
        webhook = self._merchants.uninstall(FERNS, self._credentials)
        await self._merchants.send("Shopify", "app/uninstalled, properly signed", webhook, 200)
        self._check(not await self._sessions(FERNS), f"nothing is left of {FERNS.name}")
        after = [len(await self._sessions(shop)) for shop in others]
        self._check(before == after == [3, 2, 2], "the other shops keep theirs")
        webhook = self._merchants.uninstall(FERNS, self._credentials)
        await self._merchants.send("Shopify", "app/uninstalled, delivered twice", webhook, 200)

    async def _stored(self) -> None:
        self._report.step("Stored now")
        rows = []
        for shop in SHOPS:
            for session in sorted(await self._sessions(shop), key=lambda it: (it.is_online, it.id)):
                info = session.online_access_info
                who = "(the shop)" if info is None else full_name(info.associated_user)
                rows.append(
                    (
                        shop.name,
                        who,
                        mask(session.access_token),
                        when(session.expires),
                        mask(session.refresh_token),
                    )
                )
        self._report.table(("shop", "whose", "access token", "expires", "refresh token"), rows)
        self._report.line()
        self._check(
            not any(secret in self._report.text for secret in self._secrets()),
            f"{len(rows)} sessions; none of {len(self._shopify.issued)} tokens was printed",
        )

    def _check(self, holds: bool, text: str) -> None:
        if not holds:
            raise StoryError(f"this did not hold: {text}")
        self._report.passed(text)

    def _expect_answers(self, text: str, **expected: int) -> None:
        """Check what Shopify was asked for since the last time."""
        answers = self._shopify.answers - self._answered
        self._answered = self._shopify.answers.copy()
        if answers != Counter(expected):
            raise StoryError(f"Shopify was asked for {dict(answers)}, expected {expected}")
        self._report.passed(text)

    async def _sessions(self, shop: Shop) -> list[Session]:
        return await self._storage.find_sessions_by_shop(shop.domain)

    async def _offline(self, shop: Shop) -> Session:
        session = await self._storage.load_session(offline_session_id(shop.domain))
        if session is None:
            raise StoryError(f"{shop.name} has no offline session")
        return session

    def _secrets(self) -> set[str]:
        return self._shopify.issued | {self._credentials.client_secret}
