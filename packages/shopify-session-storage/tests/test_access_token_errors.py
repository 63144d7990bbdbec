"""The errors about access tokens: told apart, picklable, with the shop and without a token."""

import asyncio
import copy
import pickle
import traceback
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta

import pytest
from shopify_app import Res, ShopifyApp, TokenExchangeAccessToken
from shopify_session_storage import Session
from shopify_session_storage.access_tokens import (
    AccessTokenError,
    MalformedTokenResponse,
    ReauthorizationRequired,
    RequestNotVerified,
    ShopUnavailable,
    TokenRefreshUnavailable,
    access_token_from_session,
    session_from_access_token,
)
from shopify_session_storage.access_tokens.arguments import check_verified
from shopify_session_storage.access_tokens.calls import Endpoint
from shopify_session_storage.testing import FakeShopify, Fault

DOMAIN = "alpha.myshopify.com"
ANSWER = Res(status=401, body="", headers={"X-Shopify-Retry-Invalid-Session-Request": "1"})
SESSION = Session(
    id=f"offline_{DOMAIN}", shop=DOMAIN, state="", is_online=False, access_token="shpat_1"
)
ERRORS = [
    AccessTokenError("it failed", shop=DOMAIN, response=ANSWER, status=500),
    ReauthorizationRequired("it is over", shop=DOMAIN, status=401),
    TokenRefreshUnavailable(
        "later",
        shop=DOMAIN,
        status=429,
        access_token=access_token_from_session(SESSION),
        retry_after=timedelta(seconds=3),
    ),
    ShopUnavailable("closed", shop=DOMAIN, status=404),
    MalformedTokenResponse("not complete", shop=DOMAIN, fields=("scope",), status=200),
    RequestNotVerified("expired_id_token", "The ID token has expired.", response=ANSWER),
]


def fail_with(number):
    raise ERRORS[number]


def same(one, other):
    assert type(one) is type(other)
    assert str(one) == str(other)
    assert one.args == other.args
    assert vars(one) == vars(other)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_can_be_copied_and_pickled(error):
    same(pickle.loads(pickle.dumps(error)), error)
    same(copy.copy(error), error)
    same(copy.deepcopy(error), error)
    assert isinstance(error, AccessTokenError)
    assert str(error)
    assert "shpat" not in "".join(traceback.format_exception(error))


def test_comes_out_of_a_process_pool():
    with ProcessPoolExecutor(1) as pool:
        for number, error in enumerate(ERRORS):
            with pytest.raises(type(error)) as caught:
                pool.submit(fail_with, number).result(30)
            caught.value.__cause__ = None
            assert (caught.value.shop, caught.value.status) == (error.shop, error.status)
            assert str(caught.value) == str(error)


def test_a_request_that_is_not_verified_says_why():
    shopify = ShopifyApp("id", "a-client-secret-that-is-long-enough")
    request = {"method": "GET", "url": "https://app.example/?shop=a", "headers": {}, "body": ""}
    for path, reason, status in (
        ("/auth/patch-id-token", "redirect_to_patch_id_token_page", 302),
        ("", "configuration_error", 500),
    ):
        verified = shopify.verify_app_home_req(request, app_home_patch_id_token_path=path)
        with pytest.raises(RequestNotVerified, match="the request is not verified") as caught:
            check_verified(verified)
        assert isinstance(caught.value, ValueError)
        assert (caught.value.reason, caught.value.response) == (reason, verified.response)
        assert reason in str(caught.value)
        assert caught.value.response.status == status
    for nothing in (None, "alpha", {}, 5, [], request):
        with pytest.raises(TypeError, match="verify_app_home_req"):
            check_verified(nothing)
    check_verified(FakeShopify().verified("alpha"))


# --- what hangs on a raised error -------------------------------------------------------------

SECRETS = ("shpat_secret", "shprt_secret", "shpss_secret", "eyJ")


def shows_none(error):
    """No frame of ours, in the whole chain, shows a secret in its locals."""
    seen = []
    while error is not None and error not in seen:
        seen.append(error)
        captured = traceback.TracebackException.from_exception(error, capture_locals=True)
        for frame in captured.stack:
            if frame.filename == __file__:
                continue
            shown = str(frame.locals)
            assert not any(secret in shown for secret in SECRETS), (frame.name, shown)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    "change",
    [
        {"shop": "not a shop"},
        {"expires": "tomorrow"},
        {"access_mode": "online"},
        {"refresh_token": "shprt_secret two"},
        {"refresh_token_expires": None},
        {"scope": "a\0"},
    ],
)
@pytest.mark.parametrize("kind", [dict, TokenExchangeAccessToken])
def test_no_frame_of_a_conversion_shows_a_token(change, kind):
    token = {
        "shop": "alpha",
        "token": "shpat_secret",
        "expires": "2130-01-02T03:04:05Z",
        "scope": "",
        "access_mode": "offline",
        "refresh_token": "shprt_secret",
        "refresh_token_expires": "2130-01-02T03:04:05Z",
        "user": None,
    } | change
    with pytest.raises((AccessTokenError, ValueError)) as caught:
        session_from_access_token(kind(**token))
    shows_none(caught.value)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        {"status": 401, "body": {"error": "invalid_request"}},
        {"body": {"access_token": "shpat_secret", "expires_in": 0}},
        {"body": "shpat_secret, cut off"},
        {"dropped": True},
        {"stalled": True},
    ],
)
@pytest.mark.parametrize("call", ["renew", "exchange", "migrate"])
@pytest.mark.asyncio
async def test_no_frame_of_a_call_shows_a_token(fault, call):
    with FakeShopify(client_secret="shpss_secret-that-is-long-enough-for-this") as fake:
        app = ShopifyApp(fake.client_id, fake.client_secret)
        token = fake.install("alpha") | {"token": "shpat_secret", "refresh_token": "shprt_secret"}
        session = session_from_access_token(token)
        fake.fail("alpha", *[Fault(**fault)] * 3)
        async with fake.client() as client:
            endpoint = Endpoint(app, client, timedelta(seconds=0.3))
            arguments = (
                (DOMAIN, "offline", fake.verified("alpha")) if call == "exchange" else (session,)
            )
            with pytest.raises(Exception) as caught:  # noqa: PT011  # whichever it is
                await getattr(endpoint, call)(*arguments)
        shows_none(caught.value)


@pytest.mark.asyncio
async def test_no_frame_of_a_cancelled_call_shows_a_token():
    with FakeShopify(client_secret="shpss_secret-that-is-long-enough-for-this") as fake:
        app = ShopifyApp(fake.client_id, fake.client_secret)
        token = fake.install("alpha") | {"token": "shpat_secret", "refresh_token": "shprt_secret"}
        fake.fail("alpha", Fault(stalled=True))
        async with fake.client() as client:
            endpoint = Endpoint(app, client, timedelta(seconds=30))
            call = asyncio.create_task(endpoint.renew(session_from_access_token(token)))
            while not fake.requests[DOMAIN]:
                await asyncio.sleep(0.001)
            call.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await call
        shows_none(caught.value)
