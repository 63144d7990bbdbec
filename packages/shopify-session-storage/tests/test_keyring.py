"""The keys that tokens are sealed with: what they open, whence they come, and that none shows."""

import asyncio
import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shopify_session_storage.encryption import (
    DecryptionError,
    EncryptedSessionStorage,
    Keyring,
)
from shopify_session_storage.encryption.keyring import _to_base64
from shopify_session_storage_memory import MemorySessionStorage

from .keyrings import BOTH_NEW_SEALS, BOTH_OLD_SEALS, NEW, OLD


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1, max_size=300).filter(lambda text: "\0" not in text))
def test_every_token_comes_back(token):
    async def there_and_back():
        ring = BOTH_OLD_SEALS
        sealed = await ring.seal(token, b"context")
        assert sealed.isascii()
        assert token not in sealed or len(token) < 3
        assert sealed != await ring.seal(token, b"context")  # equal tokens do not look equal
        assert await ring.open(sealed, b"context") == token
        with pytest.raises(DecryptionError):
            await ring.open(sealed, b"another context")

    try:
        token.encode()
    except UnicodeEncodeError:
        return
    asyncio.run(there_and_back())


@pytest.mark.parametrize(
    ("keys", "primary", "error", "message"),
    [
        ({}, None, ValueError, "at least one key"),
        ({"a": b"short"}, None, ValueError, "'a' has 5 bytes; 32 are needed"),
        ([("a", OLD)], None, TypeError, "a mapping of bytes by id, not list"),
        ({"a": "x" * 32}, None, TypeError, "'a' must be bytes, not str"),
        ({"a b": OLD}, None, ValueError, "1 to 16 letters"),
        ({"": OLD}, None, ValueError, "1 to 16 letters"),
        ({"a" * 17: OLD}, None, ValueError, "1 to 16 letters"),
        ({"a": OLD}, "b", ValueError, "'b' is not in the keyring"),
    ],
)
def test_a_keyring_that_cannot_be_is_refused(keys, primary, error, message):
    with pytest.raises(error, match=message):
        Keyring(keys, primary)


def test_keys_come_from_the_environment(monkeypatch):
    padded = base64.b64encode(NEW).decode()
    monkeypatch.setenv("SHOPIFY_SESSION_KEYS", f"new:{padded}, old:{_to_base64(OLD)}")
    ring = Keyring.from_env()
    assert ring.primary == "new"
    sealed = asyncio.run(BOTH_OLD_SEALS.seal("token", b""))
    assert asyncio.run(ring.open(sealed, b"")) == "token"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no keys"),
        ("  ", "holds no keys"),
        (f"a:{_to_base64(OLD)},a:{_to_base64(NEW)}", "two keys with the id 'a'"),
        (_to_base64(OLD), "key no. 1 in SHOPIFY_SESSION_KEYS is not of the form id:base64"),
        (f"a:{_to_base64(OLD)},", "key no. 2"),
        ("a:***", "key no. 1"),
        (f"a:{_to_base64(OLD[:31])}", "has 31 bytes"),
    ],
)
def test_keys_that_cannot_be_read_are_refused_without_being_shown(monkeypatch, text, message):
    monkeypatch.setenv("SHOPIFY_SESSION_KEYS", text)
    with pytest.raises(ValueError, match=message) as caught:
        Keyring.from_env()
    assert _to_base64(OLD)[:8] not in str(caught.value)


def test_no_repr_shows_a_key():
    for thing in (BOTH_NEW_SEALS, EncryptedSessionStorage(MemorySessionStorage(), BOTH_NEW_SEALS)):
        for key in (OLD, NEW):
            for spelling in (repr(key)[2:-1], key.hex(), _to_base64(key)):
                assert spelling not in repr(thing)
    assert repr(BOTH_NEW_SEALS) == "Keyring(old, new; primary: new)"
