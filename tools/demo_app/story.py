"""What happens in the demo, and what has to come of it."""

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Final

import httpx
from shopify_session_storage import Session, SessionStorage, offline_session_id

from demo_app.page import full_name
from demo_app.report import Report, ReportedStorage
from demo_app.shopify import Credentials, Shop, SimulatedShopify, User, new_token
from demo_app.words import mask, when

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


class StoryError(Exception):
    """Something did not go as the story says."""


class Story:
    """Merchants use the app, over HTTP.

    Args:
        report: Where it is told.
        shopify: The token endpoint that the app talks to.
        credentials: The app's.
        storage: Where the app keeps its sessions.
        watched: The same storage as the app has it.
        client: Reaches the app.
    """

    def __init__(
        self,
        report: Report,
        shopify: SimulatedShopify,
        credentials: Credentials,
        storage: SessionStorage,
        watched: ReportedStorage,
        client: httpx.AsyncClient,
    ) -> None:
        self._report = report
        self._shopify = shopify
        self._credentials = credentials
        self._storage = storage
        self._watched = watched
        self._client = client
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
                await self._open_app(shop, user)
        self._expect_answers("3 shops and 5 users got a token each", offline=3, online=5)

    async def _later_visits(self) -> None:
        self._report.step("2. Later visits: the tokens come from storage")
        regulars = [(TEAS, ADA), (TEAS, ZOE), (GRANARY, ROSA), (FERNS, JUNO)]
        for shop, user in regulars:
            await self._call_api(shop, user)
        self._expect_answers("Shopify was not asked")

        before = self._watched.calls.total()
        started = time.perf_counter()
        with self._report.quiet():
            calls = (self._call_api(*regulars[i % len(regulars)]) for i in range(_RUSH))
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
        await self._call_api(BOOKS, MINA)
        new = await self._offline(BOOKS)
        self._expect_answers("one refresh, no exchange", refresh=1)
        self._check(
            new.access_token != old.access_token and new.refresh_token != old.refresh_token,
            f"{mask(old.access_token)} replaced by {mask(new.access_token)}, "
            "and so was its refresh token",
        )
        self._check(not new.is_expired(), f"expires {when(new.expires)}")
        await self._call_api(BOOKS, MINA)
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
            await self._send(
                "Mallory", what, self._client.get("/api/me", headers=_bearer(token)), 401
            )
        page = self._client.get("/app", params={"shop": FERNS.domain})
        response = await self._send("Juno", "a page without an ID token", page, 302)
        page = self._client.get(response.headers["location"])
        await self._send("Juno", "the page that fetches one", page, 200)
        webhook = self._webhook(FERNS, forger)
        await self._send("Mallory", "app/uninstalled with a forged signature", webhook, 401)
        self._check(self._watched.calls.total() == calls, "the storage was not asked")
        self._expect_answers("and neither was Shopify")

    async def _uninstall(self) -> None:
        self._report.step("5. A shop uninstalls: its sessions go")
        others = [shop for shop in SHOPS if shop is not FERNS]
        before = [len(await self._sessions(shop)) for shop in others]
        webhook = self._webhook(FERNS, self._credentials)
        await self._send("Shopify", "app/uninstalled, properly signed", webhook, 200)
        self._check(not await self._sessions(FERNS), f"nothing is left of {FERNS.name}")
        after = [len(await self._sessions(shop)) for shop in others]
        self._check(before == after == [3, 2, 2], "the other shops keep theirs")
        webhook = self._webhook(FERNS, self._credentials)
        await self._send("Shopify", "app/uninstalled, delivered twice", webhook, 200)

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

    # --- what merchants and Shopify send ----------------------------------------------------

    async def _open_app(self, shop: Shop, user: User) -> None:
        """Load the app's page as the admin does, with the ID token in the URL."""
        self._report.event(user.first_name, "app", f"opens the app in {shop.name}")
        token = self._credentials.id_token(shop, user)
        response = await self._client.get("/app", params={"shop": shop.domain, "id_token": token})
        greeting = f"Hello {user.first_name}"
        self._check_answer(response, f'heading="{greeting}"' in response.text)
        self._check_answer(response, shop.domain in response.headers["content-security-policy"])
        self._report.event("app", user.first_name, greeting)

    async def _call_api(self, shop: Shop, user: User) -> None:
        """Call the app's API as App Bridge does, with the ID token in a header."""
        self._report.event(user.first_name, "app", f"calls its API from {shop.name}")
        token = self._credentials.id_token(shop, user)
        response = await self._client.get("/api/me", headers=_bearer(token))
        expected = {"shop": shop.domain, "name": user.first_name, "scope": shop.scope}
        self._check_answer(response, response.status_code == 200 and response.json() == expected)

    async def _send(
        self, who: str, what: str, request: Awaitable[httpx.Response], status: int
    ) -> httpx.Response:
        """Send a request that has to be answered with *status*."""
        self._report.event(who, "app", what)
        response = await request
        self._check_answer(response, response.status_code == status)
        self._report.event("app", who, f"{status} {response.reason_phrase}")
        return response

    async def _webhook(self, shop: Shop, signer: Credentials) -> httpx.Response:
        body = json.dumps({"name": shop.name, "myshopify_domain": shop.domain}).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Shopify-Topic": "app/uninstalled",
            "X-Shopify-Shop-Domain": shop.domain,
            "X-Shopify-Webhook-Id": str(uuid.uuid4()),
            "X-Shopify-Hmac-Sha256": signer.webhook_signature(body),
        }
        return await self._client.post("/webhooks/app/uninstalled", content=body, headers=headers)

    # --- what has to come of it -------------------------------------------------------------

    def _check(self, holds: bool, text: str) -> None:
        if not holds:
            raise StoryError(f"this did not hold: {text}")
        self._report.passed(text)

    def _check_answer(self, response: httpx.Response, holds: bool) -> None:
        if not holds:
            path = response.request.url.path  # the query holds an ID token
            raise StoryError(f"unexpected answer to {path}: status {response.status_code}")

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


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
