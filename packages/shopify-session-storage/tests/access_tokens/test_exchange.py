"""ID tokens, and what they are exchanged for."""

import asyncio

import pytest
from shopify_session_storage.access_tokens import (
    ReauthorizationRequired,
)

from .shops import DOMAIN, ID, expire


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
