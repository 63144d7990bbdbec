"""Client credentials: how they are told from other tokens, renewed and refused."""

from dataclasses import replace

import pytest
from shopify_session_storage import Session
from shopify_session_storage.access_tokens import (
    TokenRefreshUnavailable,
    answers,
    session_from_access_token,
)
from shopify_session_storage.access_tokens.calls import RefreshTokenRejected

from .faults import error


@pytest.mark.asyncio
async def test_what_expires_without_a_refresh_token_is_no_client_credentials(endpoint, fake):
    """As old Node adapters left it: the refresh token had no column."""
    saved = session_from_access_token(fake.install("alpha"))
    left = replace(saved, refresh_token=None, refresh_token_expires=None)
    assert not answers.is_client_credentials(left)
    result = await endpoint.app.exchange_using_client_credentials_async(
        "alpha", http_client=endpoint.http_client
    )
    session = session_from_access_token(result.access_token)
    assert answers.is_client_credentials(session)
    for stored in (session, Session.from_property_array(session.to_property_array())):
        renewed = await endpoint.renew(stored)
        assert answers.is_client_credentials(renewed)
        assert fake.takes_access_token("alpha", renewed.access_token)


@pytest.mark.asyncio
async def test_client_credentials_that_are_refused_for_good(endpoint, fake):
    result = await endpoint.app.exchange_using_client_credentials_async(
        "alpha", http_client=endpoint.http_client
    )
    session = session_from_access_token(result.access_token)
    for fault in (error(400, "shop_not_permitted"), error(400, "app_not_installed")):
        fake.fail("alpha", fault)
        with pytest.raises(RefreshTokenRejected):
            await endpoint.renew(session)
    fake.fail("alpha", error(400, "invalid_client"))
    with pytest.raises(TokenRefreshUnavailable):
        await endpoint.renew(session)
