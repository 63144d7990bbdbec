"""No frame of what is raised while tokens are sealed and opened shows one."""

import asyncio
from dataclasses import replace

import pytest
from shopify_session_storage import InvalidSessionError
from shopify_session_storage.encryption import DecryptionError, EncryptedSessionStorage
from shopify_session_storage_memory import MemorySessionStorage

from .shown_tokens import ACCESS, OFFLINE, REFRESH, frames_that_show


class Cipher:
    """Keys that somebody else keeps, who is away at times."""

    failure: BaseException | None = None
    prefix = "enc1.k."

    async def seal(self, text, context):
        if self.failure is not None:
            raise self.failure
        return self.prefix + text[::-1]

    async def open(self, sealed, context):
        opened = sealed.removeprefix("enc1.k.")[::-1]
        if self.failure is not None and opened == REFRESH:
            raise self.failure
        return opened

    def is_current(self, sealed):
        return True


@pytest.fixture
def cipher():
    return Cipher()


@pytest.fixture
def storage(cipher):
    return EncryptedSessionStorage(MemorySessionStorage(on_error="raise"), cipher)


CALLS = {
    "store": lambda storage: storage.store_session(OFFLINE),
    "check_fits": lambda storage: storage.check_fits(OFFLINE),
    "compare_and_store": lambda storage: storage.compare_and_store(OFFLINE, OFFLINE),
    "compare_and_delete": lambda storage: storage.compare_and_delete(OFFLINE),
    "load": lambda storage: storage.load_session(OFFLINE.id),
    "find": lambda storage: storage.find_sessions_by_shop(OFFLINE.shop),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("kind", [ConnectionError, asyncio.CancelledError])
@pytest.mark.asyncio
async def test_no_frame_shows_a_token_if_the_cipher_fails(call, kind, storage, cipher):
    await storage.store_session(OFFLINE)
    cipher.failure = kind("away")
    with pytest.raises(kind, match="away") as caught:
        await call(storage)
    assert frames_that_show(caught.value) == []
    notes = "".join(getattr(caught.value, "__notes__", ()))
    assert (__file__ in notes) == (kind is ConnectionError)  # where it came from is told


@pytest.mark.asyncio
async def test_no_frame_shows_a_token_that_is_refused(storage, cipher):
    sealed = replace(OFFLINE, access_token=f"enc1.{ACCESS}")
    with pytest.raises(InvalidSessionError, match="already") as caught:
        await storage.store_session(sealed)
    assert frames_that_show(caught.value) == []
    await storage.wrapped.store_session(OFFLINE)
    strict = EncryptedSessionStorage(storage.wrapped, cipher, plaintext="refuse")
    with pytest.raises(DecryptionError, match="it is not encrypted") as unsealed:
        await strict.load_session(OFFLINE.id)
    assert unsealed.value.reason == "not encrypted"
    assert frames_that_show(unsealed.value) == []
    cipher.prefix = ""
    with pytest.raises(ValueError, match="must begin with") as useless:
        await storage.store_session(OFFLINE)
    assert frames_that_show(useless.value) == []
