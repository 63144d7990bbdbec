"""Whatever the order of events: no retired refresh token is stored at the end."""

import asyncio
from datetime import UTC, datetime, timedelta
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from shopify_session_storage import process
from shopify_session_storage.access_tokens import (
    AccessTokenError,
    AccessTokenStore,
    lease,
    refresh,
)
from shopify_session_storage.testing.shopify import FakeShopify

from ..scripted import ScriptedStorage, settle
from .shops import DOMAIN, ID, Clock


class InterleavedApp:
    """An app whose answers travel for as long as hypothesis says, there and back."""

    def __init__(self, fake, delays):
        self.fake, self.delays = fake, delays

    async def travel(self):
        await settle(next(self.delays, 0))

    async def ask(self, body):
        await self.travel()
        answer = self.fake.answer(DOMAIN, body | self.credentials)
        await self.travel()
        return answer

    @property
    def credentials(self):
        return {"client_id": self.fake.client_id, "client_secret": self.fake.client_secret}

    def result(self, answer):
        if answer["status"] != 200:
            code = answer["json"]["error"]
            detail = f"failed with error: {code}."
            sent = [{"res": {"status": answer["status"], "headers": {}}}]
            code = {"invalid_request": "refresh_error"}.get(code, code)
            return {"ok": False, "log": {"code": code, "detail": detail}, "http_logs": sent}
        given_ = answer["json"]
        now = datetime.now(UTC)
        token = {
            "shop": "alpha",
            "token": given_["access_token"],
            "expires": (now + timedelta(seconds=given_["expires_in"])).isoformat(),
            "scope": given_["scope"],
            "access_mode": "offline",
            "refresh_token": given_["refresh_token"],
            "refresh_token_expires": (now + timedelta(days=90)).isoformat(),
        }
        return {"ok": True, "access_token": token}

    async def refresh_token_exchanged_access_token_async(self, token):
        body = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
        return self.result(await self.ask(body))

    async def exchange_using_token_exchange_async(
        self, *, access_mode, id_token, invalid_token_response
    ):
        body = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": id_token["token"],
            "expiring": 1,
        }
        return self.result(await self.ask(body))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "get",
                "refused",
                "exchange",
                "expire",
                "uninstall",
                "delete",
                "cancel",
                "stop",
                "pause",
            ]
        ),
        st.integers(0, 1),
        st.integers(0, 30),
    ),
    min_size=2,
    max_size=14,
)


@settings(max_examples=300, deadline=None)
@given(
    steps=STEPS,
    delays=st.lists(st.integers(0, 12), max_size=40),
    retry=st.sampled_from(["same", "new", "strict"]),
)
def test_no_interleaving_ends_with_a_retired_refresh_token(steps, delays, retry):
    clock = Clock()
    with (
        mock.patch.object(lease, "time", clock),
        mock.patch.object(process, "time", clock),
        mock.patch.object(refresh, "_GRACE", 0.001),
    ):
        asyncio.run(interleave(steps, delays, retry, clock))


async def interleave(steps, delays, retry, clock):
    fake = FakeShopify(retry=retry)
    app = InterleavedApp(fake, iter(delays))
    calls, webhooks = [], []
    async with ScriptedStorage(max_groups=8) as storage:
        both = [AccessTokenStore(storage, app) for _ in range(2)]  # as two processes
        await both[0].save(fake.install("alpha"))

        async def uninstall(tokens):
            fake.uninstall("alpha")  # then comes the webhook
            await tokens.delete_shop("alpha")

        async def step(what, tokens):
            if what == "get":
                await tokens.get("alpha")
            elif what == "refused":
                token = await tokens.load("alpha")
                await tokens.get("alpha", refused=token)
            elif what == "exchange":
                await tokens.get_or_exchange(fake.verified("alpha"))
            elif what == "uninstall":
                await uninstall(tokens)
            elif what == "delete":
                await tokens.delete("alpha")

        for what, which, rounds in steps:
            if what == "expire":
                stored = storage.rows.get(ID)
                if stored is not None:  # in place: no write that could race with others
                    stored.expires = datetime.now(UTC) - timedelta(seconds=60)
            elif what == "stop":  # both processes, for longer than all that they hold
                clock.ahead += 600
            elif what == "cancel" and calls:
                calls[-1].cancel()
                if calls[-1] in webhooks:  # not answered: Shopify delivers it again
                    calls.append(asyncio.ensure_future(both[which].delete_shop("alpha")))
                    webhooks.append(calls[-1])
            else:
                calls.append(asyncio.ensure_future(step(what, both[which])))
                if what == "uninstall":
                    webhooks.append(calls[-1])
            await settle(rounds)
        results = await asyncio.gather(*calls, return_exceptions=True)
        for tokens in both:
            await tokens.aclose()
        stored = await storage.load_session(ID)
    for result in results:
        if isinstance(result, BaseException):
            assert isinstance(result, AccessTokenError | asyncio.CancelledError), result
    if stored is not None:
        assert fake.takes_refresh_token("alpha", stored.refresh_token)
