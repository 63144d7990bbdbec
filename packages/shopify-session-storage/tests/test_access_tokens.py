"""Access tokens: conversions, verdicts on answers, the refresh, and what apps do with many shops.

Shopify's token endpoint is a real HTTP server with the documented rules, asked through Shopify's
own package. What needs a real database or several processes is tested in tools/tests.
"""

import asyncio
import logging
import traceback
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from shopify_app import ClientCredentialsAccessToken, ShopifyApp, TokenExchangeAccessToken, User
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.access_tokens import (
    AccessTokenError,
    AccessTokenStore,
    MalformedTokenResponse,
    ReauthorizationRequired,
    TokenRefreshUnavailable,
    access_token_from_session,
    session_from_access_token,
    store,
)
from shopify_session_storage.access_tokens.calls import parse_retry_after
from shopify_session_storage.testing.shopify import FakeShopify, Fault

from .scripted import DriverError, ScriptedStorage, settle

ID = "offline_alpha.myshopify.com"
DOMAIN = "alpha.myshopify.com"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(store, "_FIRST_PAUSE", 0.01)


@pytest.fixture
def fake():
    with FakeShopify() as fake:
        yield fake


@pytest.fixture
def app(fake):
    return ShopifyApp(fake.client_id, fake.client_secret)


@pytest_asyncio.fixture
async def client(fake):
    async with fake.client() as client:
        yield client


@pytest_asyncio.fixture
async def storage():
    async with ScriptedStorage(max_groups=8) as storage:
        yield storage


@pytest_asyncio.fixture
async def tokens(storage, app, client):
    async with AccessTokenStore(storage, app, http_client=client) as tokens:
        yield tokens


async def expire(storage, seconds=-60, id=ID, **more):
    """Let a stored access token expire, or be so many seconds from it."""
    session = await storage.load_session(id)
    changed = replace(session, expires=datetime.now(UTC) + timedelta(seconds=seconds), **more)
    await storage.store_session(changed)
    return changed


@pytest_asyncio.fixture
async def expired(tokens, storage, fake):
    """Return the session of a shop whose access token has expired."""
    await tokens.save(fake.install("alpha"))
    return await expire(storage)


# --- conversions ------------------------------------------------------------------------------

USER = User(7, "Ada", "Osei", "read_orders", "ada@shop.example", True, "en", False, True)
SOON, LATER = "2130-01-02T03:04:05Z", "2130-04-02T03:04:05Z"
TOKENS = [
    TokenExchangeAccessToken("alpha", "t", None, "read_orders", "offline", None, None, None),
    TokenExchangeAccessToken("alpha", "t", SOON, "", "offline", "r", LATER, None),
    TokenExchangeAccessToken("alpha", "t", SOON, "read_orders", "online", None, None, USER),
    ClientCredentialsAccessToken("alpha", "t", SOON, "read_orders", "offline", None),
]


@pytest.mark.parametrize("token", TOKENS)
def test_conversion_keeps_everything(token):
    for given_ in (token, asdict(token)):
        session = session_from_access_token(given_)
        online = token.access_mode == "online"
        assert session.id == (f"{DOMAIN}_7" if online else ID)
        assert (session.shop, session.is_online, session.state) == (DOMAIN, online, "")
        back = access_token_from_session(session)
        for name in ("expires", "refresh_token_expires"):
            if back.get(name):
                back[name] = back[name].replace("+00:00", "Z")
        if online:
            back["user"] = User(**back["user"])
        assert type(token)(**back) == token
    assert "t" not in {repr(back), str(back)}
    assert "shprt" not in repr(access_token_from_session(replace(session, refresh_token="shprt")))


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"token": ""}, {"access_token"}),
        ({"token": None}, {"access_token"}),
        ({"token": "two words"}, {"access_token"}),
        ({"token": 7}, {"access_token"}),
        ({"refresh_token": ""}, {"refresh_token"}),
        ({"refresh_token": None}, {"refresh_token"}),
        ({"refresh_token_expires": None}, {"refresh_token_expires_in"}),
        ({"refresh_token_expires": "2001-01-01T00:00:00Z"}, {"refresh_token_expires_in"}),
        ({"expires": None}, {"expires_in"}),
        ({"expires": "2001-01-01T00:00:00Z"}, {"expires_in"}),
        ({"expires": "2130-01-01T00:00:00"}, {"expires_in"}),
        ({"expires": "tomorrow"}, {"expires_in"}),
        ({"access_mode": "online"}, {"associated_user"}),
        ({"access_mode": "both"}, {"access_mode"}),
        ({"scope": 5}, {"scope"}),
        ({"scope": "a\0"}, set()),
    ],
)
@pytest.mark.asyncio
async def test_nothing_incomplete_is_saved(tokens, storage, fake, change, fields):
    good = await tokens.save(fake.install("alpha"))
    with pytest.raises(MalformedTokenResponse) as caught:
        await tokens.save(fake.install("alpha") | change)
    assert set(caught.value.fields) == fields
    assert (await storage.load_session(ID)).equals(good)


@pytest.mark.asyncio
async def test_a_shop_has_one_session_however_it_is_named(tokens, fake):
    saved = await tokens.save(fake.install("alpha") | {"shop": "https://ALPHA.myshopify.com"})
    for name in ("alpha", DOMAIN, "https://ALPHA.myshopify.com", "Alpha"):
        assert (await tokens.load(name))["token"] == saved.access_token
        assert (await tokens.get(name))["token"] == saved.access_token
    for name in ("", None, "alpha.myshopify.com.evil.example"):
        with pytest.raises(ValueError, match="does not name a shop"):
            await tokens.get(name)
    with pytest.raises(ValueError, match="user_id"):
        await tokens.get("alpha", "online")
    await tokens.delete("alpha")
    assert await tokens.load(DOMAIN) is None
    assert await tokens.get(DOMAIN) is None


# --- answers and verdicts ---------------------------------------------------------------------

DEAD = {"error": "invalid_request", "error_description": "needs an active refresh_token"}
SERVED, UNAVAILABLE, FINAL = "served", TokenRefreshUnavailable, ReauthorizationRequired


def always(**fault):
    return [Fault(**fault)] * 20


ANSWERS = {
    "complete": ([], SERVED),
    "200 without scope": ([Fault(change={"scope": None})], SERVED),
    "200 without access_token": ([Fault(change={"access_token": None})], {"access_token"}),
    "200 without expires_in": ([Fault(change={"expires_in": None})], {"expires_in"}),
    "200 with expires_in 0": ([Fault(change={"expires_in": 0})], {"expires_in"}),
    "200 with expires_in as text": ([Fault(change={"expires_in": "3600"})], set()),
    "200 without refresh_token": ([Fault(change={"refresh_token": None})], {"refresh_token"}),
    "200 without refresh_token_expires_in": (
        [Fault(change={"refresh_token_expires_in": None})],
        {"refresh_token_expires_in"},
    ),
    "200 that is no JSON": ([Fault(granted=True, body="shpat_cut off")], set()),
    "200 that is a list": ([Fault(body=["shpat_1"])], set()),
    "400 invalid_grant": ([Fault(status=400, body={"error": "invalid_grant"})], FINAL),
    "401 invalid_request": ([Fault(status=401, body=DEAD)], FINAL),
    "400 invalid_request": (always(status=400, body=DEAD), UNAVAILABLE),
    "401 invalid_client": (always(status=401, body={"error": "invalid_client"}), UNAVAILABLE),
    "401 of something else": (always(status=401, body="who are you"), UNAVAILABLE),
    "402": (always(status=402), UNAVAILABLE),
    "403": (always(status=403), UNAVAILABLE),
    "404": (always(status=404), UNAVAILABLE),
    "429 once": ([Fault(status=429, headers={"Retry-After": "0.1"})], SERVED),
    "429 for long": ([Fault(status=429, headers={"Retry-After": "60"})], UNAVAILABLE),
    "500 once": ([Fault(status=500)], SERVED),
    "503 once": ([Fault(status=503)], SERVED),
    "503 always": (always(status=503), UNAVAILABLE),
    "520 once": ([Fault(status=520)], SERVED),
    "520 once, after the rotation": ([Fault(status=520, granted=True)], SERVED),
    "520 with invalid_grant": (always(status=520, body={"error": "invalid_grant"}), UNAVAILABLE),
    "520 always": (always(status=520), UNAVAILABLE),
    "no answer once": ([Fault(dropped=True)], SERVED),
    "no answer once, after the rotation": ([Fault(dropped=True, granted=True)], SERVED),
    "no answer ever": (always(dropped=True), UNAVAILABLE),
}


def tell_apart(verdict, got, error):
    if verdict is SERVED:
        return error is None and got is not None
    if isinstance(verdict, set):
        return type(error) is MalformedTokenResponse and set(error.fields) == verdict
    return type(error) is verdict


@pytest.mark.parametrize("retry", ["same", "new"])
@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.asyncio
async def test_verdict(tokens, storage, fake, expired, name, retry, caplog):
    faults, verdict = ANSWERS[name]
    fake.retry = retry
    fake.fail("alpha", *faults)
    caplog.set_level(logging.DEBUG, "shopify_session_storage")
    got = error = None
    try:
        got = await tokens.get("alpha")
    except AccessTokenError as raised:
        error = raised
    assert tell_apart(verdict, got, error), (got, error)
    stored = await storage.load_session(ID)
    if got is None:
        assert stored.equals(expired)
    else:
        assert got["token"] == stored.access_token != expired.access_token
        assert fake.takes_refresh_token("alpha", stored.refresh_token)
        assert stored.scope == expired.scope
    shown = caplog.text + "".join(traceback.format_exception(error) if error else [])
    shown += repr((error, error and error.__context__, got, tokens.__dict__["_flights"]))
    assert "shpat" not in shown
    assert "shprt" not in shown
    assert fake.client_secret not in shown


@pytest.mark.parametrize("name", [name for name in ANSWERS if ANSWERS[name][1] is not SERVED])
@pytest.mark.asyncio
async def test_a_valid_token_is_served_whatever_shopify_answers(
    tokens, storage, fake, expired, name
):
    await expire(storage, 60)
    fake.fail("alpha", *ANSWERS[name][0])
    for _ in range(2):
        assert (await tokens.get("alpha"))["token"] == expired.access_token
        await tokens.aclose()
    assert (await storage.load_session(ID)).access_token == expired.access_token


@pytest.mark.asyncio
async def test_shopify_is_left_alone_after_a_failure(tokens, fake, expired):
    fake.fail("alpha", Fault(status=429, headers={"Retry-After": "60"}))
    for _ in range(3):
        with pytest.raises(TokenRefreshUnavailable) as caught:
            await tokens.get("alpha")
        assert timedelta(seconds=50) < caught.value.retry_after <= timedelta(seconds=60)
    assert fake.requests[DOMAIN] == 1


@pytest.mark.asyncio
async def test_a_rejected_refresh_token_is_not_tried_again_until_there_is_another(
    tokens, storage, fake, expired
):
    fake.uninstall("alpha")
    for _ in range(3):
        with pytest.raises(ReauthorizationRequired):
            await tokens.get("alpha")
    assert fake.requests[DOMAIN] == 1
    saved = await tokens.save(fake.install("alpha"))
    assert (await tokens.get("alpha"))["token"] == saved.access_token
    await expire(storage)
    assert (await tokens.get("alpha"))["token"] != saved.access_token


@pytest.mark.asyncio
async def test_a_rejection_is_nothing_if_somebody_else_stored_a_newer_pair(
    tokens, storage, fake, expired
):
    # JavaScript, say, which takes no lease.
    newer = session_from_access_token(fake.install("alpha"))
    fake.fail("alpha", Fault(stalled=True, granted=True))
    call = asyncio.create_task(tokens.get("alpha"))
    while not fake.requests[DOMAIN]:
        await asyncio.sleep(0.001)
    await storage.store_session(newer)
    fake.release("alpha")
    assert (await call)["token"] == newer.access_token


@pytest.mark.asyncio
async def test_a_refresh_token_that_has_expired_is_not_even_tried(tokens, storage, fake, expired):
    await expire(storage, refresh_token_expires=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(ReauthorizationRequired):
        await tokens.get("alpha")
    await expire(storage, 60, refresh_token_expires=datetime.now(UTC) - timedelta(seconds=1))
    assert (await tokens.get("alpha"))["token"] == expired.access_token
    await tokens.aclose()
    assert not fake.requests


@pytest.mark.asyncio
async def test_client_credentials_are_renewed(tokens, storage, fake, app, client):
    result = await app.exchange_using_client_credentials_async("alpha", http_client=client)
    saved = await tokens.save(result.access_token)
    await expire(storage)
    got = await tokens.get("alpha")
    assert fake.takes_access_token("alpha", got["token"])
    assert got["token"] != saved.access_token


@pytest.mark.asyncio
async def test_sync_methods_do_not_block_the_loop(storage, fake, app):
    with fake.sync_client() as client:
        async with AccessTokenStore(storage, app, http_client=client) as tokens:
            await tokens.save(fake.install("alpha"))
            await expire(storage)
            fake.fail("alpha", Fault(stalled=True))
            call = asyncio.create_task(tokens.get("alpha"))
            while not fake.requests[DOMAIN]:
                await asyncio.sleep(0.001)  # would not come back
            fake.release("alpha")
            assert fake.takes_access_token("alpha", (await call)["token"])
            beta = await tokens.get_or_exchange(fake.verified("beta"))
            assert fake.takes_access_token("beta", beta["token"])


@pytest.mark.asyncio
async def test_a_stalled_shop_holds_up_nobody_else(tokens, storage, fake, expired):
    await tokens.save(fake.install("beta"))
    await expire(storage, id="offline_beta.myshopify.com")
    fake.fail("alpha", Fault(stalled=True))
    stalled = [asyncio.create_task(tokens.get("alpha")) for _ in range(50)]
    while not fake.requests[DOMAIN]:
        await asyncio.sleep(0.001)
    for _ in range(20):
        assert fake.takes_access_token("beta", (await tokens.get("beta"))["token"])
        await expire(storage, id="offline_beta.myshopify.com")
    assert not storage.under_way  # no connection is held
    assert not any(call.done() for call in stalled)
    fake.release("alpha")
    assert len({(await call)["token"] for call in stalled}) == 1


@pytest.mark.asyncio
async def test_callers_get_the_old_token_while_it_is_valid(tokens, storage, fake, expired):
    await expire(storage, 60)
    fake.fail("alpha", Fault(stalled=True))
    for _ in range(5):
        assert (await tokens.get("alpha"))["token"] == expired.access_token
    fake.release("alpha")
    await tokens.aclose()
    assert fake.requests[DOMAIN] == 1
    assert (await tokens.get("alpha"))["token"] != expired.access_token


@pytest.mark.asyncio
async def test_a_new_pair_is_handed_out_only_when_it_is_stored(tokens, storage, fake, expired):
    storage.errors["store"] = [DriverError(), DriverError()]
    got = await tokens.get("alpha")
    assert fake.requests[DOMAIN] == 1  # it was kept, and stored when that worked
    assert got["token"] == (await storage.load_session(ID)).access_token


@pytest.mark.asyncio
async def test_storage_that_stays_down_loses_nothing(storage, fake, app, client):
    timeout = timedelta(milliseconds=300)
    async with AccessTokenStore(
        storage, app, http_client=client, request_timeout=timeout
    ) as tokens:
        await tokens.save(fake.install("alpha"))
        await expire(storage)
        storage.failing["store"] = lambda ids: DriverError()
        with pytest.raises(SessionStorageUnavailableError):
            await tokens.get("alpha")
        storage.failing.clear()
        assert fake.takes_access_token("alpha", (await tokens.get("alpha"))["token"])
        stored = await storage.load_session(ID)
        assert fake.takes_refresh_token("alpha", stored.refresh_token)


@pytest.mark.asyncio
async def test_storage_that_logs_its_failures_does_not_look_empty(fake, app, client):
    async with (
        ScriptedStorage(on_error="log") as storage,
        AccessTokenStore(storage, app, http_client=client) as tokens,
    ):
        await tokens.save(fake.install("alpha"))
        verified = fake.verified("alpha")
        storage.failing = dict.fromkeys(("load", "find"), lambda argument: DriverError())
        for call in (
            tokens.load("alpha"),
            tokens.get("alpha"),
            tokens.get_or_exchange(verified),
            tokens.delete_shop("alpha"),
        ):
            with pytest.raises(SessionStorageUnavailableError):
                await call
        assert not fake.requests[DOMAIN]  # an exchange would have ended the stored refresh token
        assert await storage.load_session(ID) is None  # here it logs, as told
        storage.failing = {}
        assert (await storage.load_session(ID)).refresh_token


@pytest.mark.asyncio
async def test_a_dead_holder_keeps_nobody_for_longer_than_its_lease(storage, fake, app, client):
    timeout = timedelta(milliseconds=500)
    async with AccessTokenStore(
        storage, app, http_client=client, request_timeout=timeout
    ) as tokens:
        await tokens.save(fake.install("alpha"))
        await expire(storage)
        await storage.acquire_lease(ID, "somebody who died", 2 * timeout)
        assert fake.takes_access_token("alpha", (await tokens.get("alpha"))["token"])
        await expire(storage)
        await storage.acquire_lease(ID, "somebody who lives", timedelta(minutes=1))
        with pytest.raises(TokenRefreshUnavailable):
            await tokens.get("alpha")


@pytest.mark.asyncio
async def test_who_lost_its_lease_stores_nothing(tokens, storage, fake, expired):
    fake.fail("alpha", Fault(stalled=True))
    call = asyncio.create_task(tokens.get("alpha"))
    while not fake.requests[DOMAIN]:
        await asyncio.sleep(0.001)
    [(holder, _)] = storage._process_locks()._leases.values()
    await storage.release_lease(ID, holder)
    await storage.acquire_lease(ID, "another", timedelta(minutes=1))
    fake.release("alpha")
    await settle()
    await asyncio.sleep(0.1)
    assert (await storage.load_session(ID)).equals(expired)
    await storage.release_lease(ID, "another")
    assert fake.takes_access_token("alpha", (await call)["token"])


@pytest.mark.asyncio
async def test_durations_that_make_no_sense_are_refused(storage):
    for option in (
        {"refresh_before": timedelta(hours=1)},
        {"refresh_before": timedelta(seconds=-1)},
        {"request_timeout": timedelta(0)},
    ):
        with pytest.raises(ValueError, match=next(iter(option))):
            AccessTokenStore(storage, **option)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2", 2), ("2.0", 2), ("-1", 0), ("1e9", 3600), ("nan", None), ("soon", None), (None, None)],
)
def test_retry_after(value, seconds):
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert parse_retry_after(value) == expected
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == timedelta(0)


# --- exchange and uninstall -------------------------------------------------------------------


@pytest.mark.asyncio
async def test_an_id_token_is_exchanged_once_for_all(tokens, storage, fake):
    calls = (tokens.get_or_exchange(fake.verified("alpha", n)) for n in range(20))
    got = {token["token"] for token in await asyncio.gather(*calls)}
    assert len(got) == 1
    assert fake.requests[DOMAIN] == 1
    online = await tokens.get_or_exchange(fake.verified("alpha", 7), "online")
    assert online["user"]["id"] == 7
    assert await tokens.get("alpha", "online", 7) == online
    assert await tokens.get("alpha", "online", 8) is None
    await expire(storage, id=f"{DOMAIN}_7")
    with pytest.raises(ReauthorizationRequired):
        await tokens.get("alpha", "online", 7)
    again = await tokens.get_or_exchange(fake.verified("alpha", 7), "online")
    assert again["token"] != online["token"]


@pytest.mark.asyncio
async def test_an_exchange_replaces_what_only_a_merchant_can(tokens, storage, fake, expired):
    fake.uninstall("alpha")
    got = await tokens.get_or_exchange(fake.verified("alpha"))
    assert fake.takes_access_token("alpha", got["token"])
    stored = await storage.load_session(ID)
    assert fake.takes_refresh_token("alpha", stored.refresh_token)


@pytest.mark.asyncio
async def test_a_bad_id_token_is_its_owners_problem_alone(tokens, fake):
    bad = fake.verified("alpha", lifetime=-1) | {"invalid_token_response": {"status": 401}}
    requests = [bad, bad, fake.verified("alpha")]
    calls = [tokens.get_or_exchange(verified) for verified in requests]
    first, second, third = await asyncio.gather(*calls, return_exceptions=True)
    assert fake.takes_access_token("alpha", third["token"])
    assert isinstance(first, ReauthorizationRequired)
    assert first.response is not None
    # The second may have found what the third one's ID token got.
    assert isinstance(second, ReauthorizationRequired) or second == third
    with pytest.raises(ReauthorizationRequired):
        await tokens.get_or_exchange(fake.verified("beta") | {"id_token": None})
    with pytest.raises(ValueError, match="not verified"):
        await tokens.get_or_exchange({"ok": False})


@pytest.mark.asyncio
async def test_uninstall_deletes_everything(tokens, storage, fake):
    for shop in ("alpha", "beta"):
        await tokens.get_or_exchange(fake.verified(shop))
        for user in range(3):
            await tokens.get_or_exchange(fake.verified(shop, user), "online")
    await tokens.delete_shop("https://ALPHA.myshopify.com")
    await tokens.delete_shop("alpha")
    assert await storage.find_sessions_by_shop(DOMAIN) == []
    assert len(await storage.find_sessions_by_shop("beta.myshopify.com")) == 4


@pytest.mark.asyncio
async def test_a_late_webhook_spares_the_new_install(tokens, storage, fake):
    await tokens.get_or_exchange(fake.verified("alpha", 1), "online")
    await tokens.save(fake.install("alpha"))
    hour = timedelta(hours=1)
    for session in await storage.find_sessions_by_shop(DOMAIN):  # all of that was an hour ago
        renewed = session.refresh_token_expires and session.refresh_token_expires - hour
        await storage.store_session(
            replace(session, expires=session.expires - hour, refresh_token_expires=renewed)
        )
    uninstalled = datetime.now(UTC) - timedelta(minutes=30)
    new = await tokens.save(fake.install("alpha"))
    await tokens.get_or_exchange(fake.verified("alpha", 2), "online")
    await tokens.delete_shop("alpha", installed_before=uninstalled)
    left = {session.id for session in await storage.find_sessions_by_shop(DOMAIN)}
    assert left == {ID, f"{DOMAIN}_2"}
    assert (await tokens.get("alpha"))["token"] == new.access_token
    await tokens.delete_shop("alpha", installed_before=datetime.now(UTC) + timedelta(minutes=1))
    assert await storage.find_sessions_by_shop(DOMAIN) == []


@pytest.mark.asyncio
async def test_a_token_without_age_goes_with_the_old_install_only(tokens, storage, fake):
    await tokens.save(fake.install("alpha", expiring=False))
    await tokens.get_or_exchange(fake.verified("alpha", 2), "online")
    await tokens.delete_shop("alpha", installed_before=datetime.now(UTC) - timedelta(hours=1))
    assert len(await storage.find_sessions_by_shop(DOMAIN)) == 2  # installed anew since
    await tokens.delete("alpha", "online", 2)
    await tokens.delete_shop("alpha", installed_before=datetime.now(UTC) - timedelta(hours=1))
    assert await storage.find_sessions_by_shop(DOMAIN) == []


@pytest.mark.parametrize("end", ["delete", "delete_shop"])
@pytest.mark.asyncio
async def test_a_refresh_in_flight_brings_nothing_back(tokens, storage, fake, expired, end):
    fake.fail("alpha", Fault(stalled=True))
    call = asyncio.create_task(tokens.get("alpha"))
    while not fake.requests[DOMAIN]:
        await asyncio.sleep(0.001)
    ending = asyncio.create_task(getattr(tokens, end)("alpha"))
    while ID in storage.rows:
        await asyncio.sleep(0.001)
    fake.release("alpha")
    assert await call is None
    await ending
    assert storage.rows == {}


# --- interleavings ----------------------------------------------------------------------------


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
        st.sampled_from(["get", "exchange", "expire", "uninstall", "delete", "cancel", "pause"]),
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
    retry=st.sampled_from(["same", "new"]),
)
def test_no_interleaving_ends_with_a_retired_refresh_token(steps, delays, retry):
    asyncio.run(interleave(steps, delays, retry))


async def interleave(steps, delays, retry):
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


# --- many shops -------------------------------------------------------------------------------


async def in_turn(shops):
    for shop in shops:
        yield shop


@pytest.mark.asyncio
async def test_shops_that_need_attention_are_listed(tokens, storage, fake):
    now = datetime.now(UTC)
    reasons = {"fresh": None, "due": "access_token", "idle": "refresh_token", "gone": "lost"}
    for shop in reasons:
        await tokens.save(fake.install(shop))
    ids = {shop: f"offline_{shop}.myshopify.com" for shop in reasons}
    await expire(storage, 60, ids["due"])
    await expire(storage, id=ids["idle"], refresh_token_expires=now + timedelta(days=3))
    await expire(storage, id=ids["gone"], refresh_token_expires=now - timedelta(days=3))
    await tokens.save(fake.install("legacy", expiring=False))
    shops = [*reasons, "legacy", "nobody", *(f"other-{n}" for n in range(250))]
    for given_ in (shops, in_turn(shops)):
        found = {due.shop: due.reason async for due in tokens.iter_refresh_due(given_)}
        assert found == {
            "due.myshopify.com": "access_token",
            "idle.myshopify.com": "refresh_token",
            "gone.myshopify.com": "lost",
            "legacy.myshopify.com": "never_expires",
        }
    report = await tokens.keep_warm(shops, per_second=1000)
    assert (report.done, report.failed) == (["idle.myshopify.com"], {})
    assert dict(fake.requests) == {"idle.myshopify.com": 1}


@pytest.mark.asyncio
async def test_migration_goes_on_after_failures_and_after_a_kill(tokens, storage, fake):
    shops = [f"shop-{n}" for n in range(6)]
    domains = [f"{shop}.myshopify.com" for shop in shops]
    for shop in shops[:5]:
        await tokens.save(fake.install(shop, expiring=False))
    await tokens.save(fake.install(shops[5]))
    fake.uninstall(shops[1])
    fake.fail(shops[2], *always(status=503))
    fake.fail(shops[3], Fault(stalled=True))
    run = asyncio.create_task(tokens.migrate_to_expiring(shops, per_second=1000))
    while not fake.requests[domains[3]]:
        await asyncio.sleep(0.001)
    run.cancel()
    fake.release(shops[3])
    with pytest.raises(asyncio.CancelledError):
        await run
    await tokens.aclose()
    fake._faults.clear()
    again = AccessTokenStore(
        storage, tokens._endpoint.app, http_client=tokens._endpoint.http_client
    )
    report = await again.migrate_to_expiring(shops, per_second=1000)
    assert report.done == [domains[2], domains[4]]
    assert report.skipped == [domains[0], domains[3], domains[5]]
    assert list(report.failed) == [domains[1]]
    assert isinstance(report.failed[domains[1]], ReauthorizationRequired)
    assert fake.requests[domains[0]] == fake.requests[domains[3]] == 1
    for shop in (*shops[2:5], shops[0]):
        stored = await storage.load_session(f"offline_{shop}.myshopify.com")
        assert fake.takes_refresh_token(shop, stored.refresh_token)
    with pytest.raises(ValueError, match="per_second"):
        await tokens.migrate_to_expiring(shops, per_second=0)
    with pytest.raises(TypeError, match="shops"):
        await tokens.keep_warm("alpha")


# --- the endpoint itself ----------------------------------------------------------------------


def refresh(fake, token, shop="alpha"):
    body = {"grant_type": "refresh_token", "refresh_token": token}
    own = {"client_id": fake.client_id, "client_secret": fake.client_secret}
    return fake.answer(f"{shop}.myshopify.com", body | own)


@pytest.mark.parametrize("retry", ["same", "new"])
def test_the_endpoint_keeps_shopifys_rules(retry):
    fake = FakeShopify(retry=retry)
    first = fake.install("alpha")
    one = refresh(fake, first["refresh_token"])["json"]
    assert fake.takes_access_token("alpha", first["token"])  # until its own expiry
    two = refresh(fake, first["refresh_token"])["json"]  # a retry
    assert (one == two) is (retry == "same")
    assert fake.takes_refresh_token("alpha", one["refresh_token"]) is (retry == "same")
    three = refresh(fake, two["refresh_token"])["json"]
    assert refresh(fake, first["refresh_token"])["status"] == 401  # its successor was used
    fake.advance(timedelta(minutes=61))
    assert not fake.takes_access_token("alpha", three["access_token"])
    fake.advance(timedelta(days=30))
    assert not fake.takes_refresh_token("alpha", two["refresh_token"])
    assert fake.takes_refresh_token("alpha", three["refresh_token"])
    fake.advance(timedelta(days=60))
    assert refresh(fake, three["refresh_token"])["status"] == 401
    again = fake.install("alpha")
    newest = fake.install("alpha")
    assert refresh(fake, again["refresh_token"])["status"] == 401
    assert refresh(fake, newest["refresh_token"])["status"] == 200
    fake.uninstall("alpha")
    assert refresh(fake, newest["refresh_token"])["status"] == 401
    assert fake.grants[DOMAIN] == 4
