"""A process that was deployed with a wrong key does no harm to the others."""

import pytest
from shopify_app import ShopifyApp
from shopify_session_storage import offline_session_id
from shopify_session_storage.access_tokens import AccessTokenStore
from shopify_session_storage.encryption import DecryptionError, EncryptedSessionStorage, Keyring
from shopify_session_storage_memory import MemorySessionStorage

SHOP = "alpha.myshopify.com"


@pytest.mark.parametrize("wrong", [{"k": b"w" * 32}, {"other": b"r" * 32}])
@pytest.mark.asyncio
async def test_an_exchange_replaces_nothing_that_others_can_read(fake, wrong):
    inner = MemorySessionStorage(on_error="raise")
    app = ShopifyApp(fake.client_id, fake.client_secret)
    async with fake.client() as client:
        right, bad = (
            AccessTokenStore(EncryptedSessionStorage(inner, Keyring(keys)), app, http_client=client)
            for keys in ({"k": b"r" * 32}, wrong)
        )
        token = await right.get_or_exchange(fake.verified("alpha"))
        for _ in range(2):
            with pytest.raises(DecryptionError):
                await bad.get_or_exchange(fake.verified("alpha"))
        with pytest.raises(DecryptionError):
            await bad.get_or_exchange(fake.verified("alpha"), refused=token)
        assert fake.requests == {SHOP: 1}
        assert await right.get("alpha") == token
        assert fake.takes_access_token("alpha", token.token)
        # If the key is lost for good, what it sealed can be deleted.
        await bad.delete("alpha")
        assert await bad.get_or_exchange(fake.verified("alpha"))
    assert (await inner.load_session(offline_session_id(SHOP))).access_token.startswith("enc1.")
