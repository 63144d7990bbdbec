"""Errors show neither sessions nor the API token, whatever the API repeats."""

import logging

import httpx
import pytest
from servers import kv
from servers.discovery import free_port
from shopify_session_storage import SessionStorageUnavailableError, open_session_storage
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_kv_style import CloudflareKVNamespace, KVSessionStorage

from .conftest import api_of, namespace_of, refusal


@pytest.mark.asyncio
async def test_failure_is_told_without_what_it_repeats(kv_url, shop, faults, caplog):
    session = offline_session(shop, access_token="shpat_secret")
    repeats = refusal(400, 10001, f"cannot parse 'shpat_secret' of '{kv.TOKEN}'")
    async with open_session_storage(kv_url, on_error="raise") as storage:
        for planned in ([repeats], [{}, repeats], [{}, {}, repeats]):
            await faults(*planned)
            with pytest.raises(SessionStorageUnavailableError) as caught:
                await storage.store_session(session)
            assert_silent(caught.value)
    with caplog.at_level(logging.DEBUG):
        async with open_session_storage(kv_url) as storage:
            assert await storage.store_session(session) is True
            await faults(repeats)
            assert await storage.store_session(session) is False
        assert await open_session_storage(kv.url_of(free_port())).store_session(session) is False
    assert "HTTP 400, code 10001" in caplog.text
    assert "shpat" not in caplog.text
    assert kv.TOKEN not in caplog.text


def assert_silent(error: BaseException | None) -> None:
    while error is not None:
        shown = f"{error} {error!r} {error.args} {vars(error)}"
        assert "secret" not in shown
        assert kv.TOKEN not in shown
        assert not isinstance(error, httpx.HTTPError)  # they hold the request
        error = error.__cause__ or error.__context__


@pytest.mark.asyncio
async def test_wrong_credentials_are_told_by_ready(kv_url):
    api = api_of(kv_url)
    for account, namespace, token, match in (
        (kv.ACCOUNT, kv.NAMESPACES[0], "secret", "the API token is not accepted$"),
        ("0" * 32, kv.NAMESPACES[0], kv.TOKEN, "not accepted for this account"),
        (kv.ACCOUNT, "0" * 32, kv.TOKEN, "there is no such namespace"),
    ):
        async with CloudflareKVNamespace(account, namespace, token, base_url=api) as wrong:
            storage = KVSessionStorage(wrong)
            with pytest.raises(SessionStorageUnavailableError, match=match) as caught:
                await storage.ready()
            assert_silent(caught.value)
            assert not await storage.is_ready()


def test_nothing_shows_the_token(kv_url):
    namespace = namespace_of(kv_url)
    storage = KVSessionStorage(namespace)
    assert kv.NAMESPACES[0] in repr(storage)
    for one in (namespace, storage):
        assert kv.TOKEN not in f"{one!r} {one} {vars(one)}"
