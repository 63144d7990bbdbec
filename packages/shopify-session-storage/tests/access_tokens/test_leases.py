"""Where leases are kept."""

import asyncio
import logging

import pytest
from shopify_session_storage.access_tokens import AccessTokenStore
from shopify_session_storage.testing.shopify import Fault

from ..scripted import ScriptedStorage
from .shops import ID, asked, expire

LOGGER = "shopify_session_storage.access_tokens"


class BackendLeases(ScriptedStorage):
    leases = "backend"


@pytest.mark.asyncio
async def test_another_storage_keeps_the_leases(storage, fake, app, client, caplog):
    async with BackendLeases() as leases:
        tokens = AccessTokenStore(storage, app, http_client=client, leases=leases)
        assert not caplog.records
        await tokens.get_or_exchange(fake.verified("alpha"))
        await expire(storage)
        fake.fail("alpha", Fault(stalled=True))
        call = asyncio.create_task(tokens.get("alpha"))
        await asked(fake, 2)
        assert ID in leases._process_locks()._leases
        fake.release("alpha")
        assert fake.takes_access_token("alpha", (await call)["token"])
        await tokens.delete_shop("alpha")
    assert storage._process_locks()._leases == {}
    assert leases.rows == storage.rows == {}


@pytest.mark.asyncio
async def test_leases_of_one_process_are_warned_of_once(storage, fake, app, client, caplog):
    caplog.set_level(logging.DEBUG, LOGGER)
    tokens = AccessTokenStore(storage, app, http_client=client)
    for _ in range(3):
        await tokens.get_or_exchange(fake.verified("alpha"))
        await expire(storage)
        await tokens.get("alpha")
    [warning] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert warning.name == LOGGER
    assert "leases" in warning.getMessage()
    for wrong in ("redis://localhost", object(), 5):
        with pytest.raises(TypeError, match="leases"):
            AccessTokenStore(storage, leases=wrong)
