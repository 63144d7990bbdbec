"""A key service that is away for a moment costs no shop its tokens."""

from datetime import timedelta

import pytest
from shopify_app import ShopifyApp
from shopify_session_storage import SessionStorageUnavailableError, offline_session_id
from shopify_session_storage.access_tokens import AccessTokenStore
from shopify_session_storage.encryption import EncryptedSessionStorage, Keyring
from shopify_session_storage_memory import MemorySessionStorage

SHOP = "alpha.myshopify.com"


class Remote:
    """Seals a few times, is away a few times, and goes on."""

    def __init__(self):
        self._keyring = Keyring({"k": b"k" * 32})
        self.until_away = 10**9
        self.away = 3

    async def seal(self, text, context):
        self.until_away -= 1
        if self.until_away < 0 and self.away:
            self.away -= 1
            raise SessionStorageUnavailableError("the keys cannot be reached")
        return await self._keyring.seal(text, context)

    async def open(self, sealed, context):
        return await self._keyring.open(sealed, context)

    def is_current(self, sealed):
        return self._keyring.is_current(sealed)


@pytest.mark.asyncio
async def test_new_tokens_are_stored_as_soon_as_the_keys_are_back(fake):
    cipher = Remote()
    storage = EncryptedSessionStorage(MemorySessionStorage(on_error="raise"), cipher)
    app = ShopifyApp(fake.client_id, fake.client_secret)
    async with (
        fake.client() as client,
        AccessTokenStore(
            storage, app, http_client=client, request_timeout=timedelta(seconds=5)
        ) as tokens,
    ):
        await tokens.save(fake.install("alpha", expiring=False))
        cipher.until_away = 2  # the two tokens of the look whether new ones fit
        report = await tokens.migrate_to_expiring(["alpha"], per_second=100)
        assert (report.done, cipher.away) == ([SHOP], 0)
    stored = await storage.load_session(offline_session_id(SHOP))
    assert fake.requests == {SHOP: 1}
    assert fake.takes_refresh_token("alpha", stored.refresh_token)
