"""No frame of a raised error, in its whole chain, shows a token."""

import asyncio
import traceback
from datetime import timedelta

import pytest
from shopify_app import ShopifyApp, TokenExchangeAccessToken
from shopify_session_storage.access_tokens import AccessTokenError, session_from_access_token
from shopify_session_storage.access_tokens.calls import Endpoint
from shopify_session_storage.testing import FakeShopify, Fault

DOMAIN = "alpha.myshopify.com"
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
