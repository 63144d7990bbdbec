"""What is stored: keys that the official JavaScript adapter reads."""

import pytest
from hypothesis import HealthCheck, given, settings
from servers.coming_back import comes_back
from shopify_session_storage import Session, open_session_storage
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage.testing.strategies import sessions


@given(session=sessions())
@settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.asyncio
async def test_what_is_stored_comes_back(kv_url, session: Session):
    async with open_session_storage(kv_url, on_error="raise") as storage:
        await comes_back(storage, session)
        await storage.delete_session(session.id)
        assert await storage.find_sessions_by_shop(session.shop) == []


@pytest.mark.asyncio
async def test_keys_are_laid_out_as_documented(storage, raw, shop):
    first = offline_session(f"é{shop}", access_token='a"/\u2028\x7f', refresh_token="")
    first.expires = first.expires.replace(microsecond=123_456)
    second = online_session(f"é{shop}", 7, id=f'"odd\\/{shop}', scope=None)
    await storage.store_session(first)
    await storage.store_session(second)
    assert await raw.get(first.id) == (
        f'[["id","{first.id}"],["shop","é{shop}"],["state","nonce"],["isOnline",false],'
        '["scope","read_products,write_orders"],["expires",1935817689123],'
        '["accessToken","a\\"/\u2028\x7f"],["refreshToken",""],'
        '["refreshTokenExpires",1943578921000]]'
    )
    assert await raw.get(f"shop:é{shop}") == f'["{first.id}","\\"odd\\\\/{shop}"]'
    await storage.delete_sessions([first.id, second.id])
    assert await raw.get(f"shop:é{shop}") == "[]"
    assert await raw.get(first.id) is None
