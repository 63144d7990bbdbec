"""Grants of access: what a code returns is saved, and a request that is not verified answered."""

import pytest
from shopify_session_storage.access_tokens import (
    AccessTokenError,
    MalformedTokenResponse,
    RequestNotVerified,
)

ID = "offline_alpha.myshopify.com"


@pytest.mark.asyncio
async def test_a_request_that_is_not_verified_says_how_to_answer(tokens):
    request = {"method": "GET", "url": "https://app.example/app", "headers": {}, "body": ""}
    verified = tokens._endpoint.app.verify_app_home_req(
        request, app_home_patch_id_token_path="/auth/patch-id-token"
    )
    with pytest.raises(RequestNotVerified) as caught:
        await tokens.get_or_exchange(verified)
    assert caught.value.response == verified.response
    assert isinstance(caught.value, ValueError | AccessTokenError)
    for wrong in (None, request, "alpha"):
        with pytest.raises(TypeError, match="verify_app_home_req"):
            await tokens.get_or_exchange(wrong)


@pytest.mark.asyncio
async def test_what_a_code_grant_returns_is_saved(tokens, storage, fake):
    granted = fake.install("alpha")
    answer = {
        "access_token": granted["token"],
        "scope": granted["scope"],
        "expires_in": 3600,
        "refresh_token": granted["refresh_token"],
        "refresh_token_expires_in": 7776000,
    }
    session = await tokens.save(answer, shop="alpha")
    assert session.id == ID
    assert (await tokens.get("alpha")).token == granted["token"]
    with pytest.raises(ValueError, match="shop="):
        await tokens.save(answer)
    with pytest.raises(ValueError, match="another shop"):
        await tokens.save(granted, shop="beta")
    with pytest.raises(MalformedTokenResponse):
        await tokens.save(answer | {"expires_in": "3600"}, shop="alpha")
    for wrong in (None, "shpat_1", session):
        with pytest.raises(TypeError, match="access_token"):
            await tokens.save(wrong)
