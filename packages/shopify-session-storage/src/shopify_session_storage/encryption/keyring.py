"""Keys that the app keeps itself, for AES-256-GCM.

A sealed text is ``enc1.{key id}.{base64url of nonce, ciphertext and tag}``, without padding.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from typing import Any, Final, Self

from shopify_session_storage.encryption.cipher import DecryptionError
from shopify_session_storage.failures import hide_locals, hides_arguments

PREFIX: Final = "enc1."
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,16}")
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")


class Keyring:
    """Keys by their ids, for AES-256-GCM. One of them seals; each opens what it has sealed.

    Args:
        keys: The keys by their ids. A key has 32 random bytes (``secrets.token_bytes(32)``); an id
            has 1 to 16 letters, digits, hyphens and underscores.
        primary: The id of the key that seals; None for the first one.

    Raises:
        TypeError: If *keys* is not a mapping, or a key is not bytes.
        ValueError: If there is no key, an id is not of that form, a key has another length, or
            *primary* is not one of the ids.
        ImportError: If cryptography is not installed.
    """

    @hides_arguments
    def __init__(self, keys: Mapping[str, bytes], primary: str | None = None) -> None:
        aead = _aead()
        if not isinstance(keys, Mapping):
            raise TypeError(f"keys must be a mapping of bytes by id, not {type(keys).__name__}")
        if not keys:
            raise ValueError("a keyring needs at least one key")
        self._ciphers: dict[str, Any] = {}
        for id, key in keys.items():
            if not _KEY_ID.fullmatch(id):
                raise ValueError(
                    "the id of a key has 1 to 16 letters, digits, hyphens and underscores"
                )
            if not isinstance(key, bytes):
                raise TypeError(f"the key {id!r} must be bytes, not {type(key).__name__}")
            if len(key) != _KEY_BYTES:
                raise ValueError(f"the key {id!r} has {len(key)} bytes; {_KEY_BYTES} are needed")
            self._ciphers[id] = aead(key)
        self.primary = primary if primary is not None else next(iter(self._ciphers))
        if self.primary not in self._ciphers:
            raise ValueError(f"the primary key {self.primary!r} is not in the keyring")

    @classmethod
    @hides_arguments
    def from_env(cls, name: str = "SHOPIFY_SESSION_KEYS") -> Self:
        """Read a keyring from an environment variable: ``id:base64``, one or more, with commas.

        The first key seals: ``2027:4f0c...,2026:9a1b...``.

        Raises:
            ValueError: If the variable is missing or malformed, or names an id twice. The message
                shows ids, and no other part of the variable.
        """
        keys: dict[str, bytes] = {}
        text = os.environ.get(name, "")
        if not text.strip():
            raise ValueError(f"the environment variable {name} holds no keys")
        for number, entry in enumerate(text.split(","), start=1):
            id, colon, encoded = entry.strip().partition(":")
            key = _from_base64(encoded) if colon and _KEY_ID.fullmatch(id) else None
            if key is None:
                raise ValueError(f"key no. {number} in {name} is not of the form id:base64")
            if id in keys:
                raise ValueError(f"{name} has two keys with the id {id!r}")
            keys[id] = key
        return cls(keys)

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._ciphers)}; primary: {self.primary})"

    async def seal(self, text: str, context: bytes) -> str:
        """Return *text* sealed with the primary key."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self.primary].encrypt(nonce, text.encode(), context)
        return f"{PREFIX}{self.primary}.{_to_base64(nonce + sealed)}"

    async def open(self, sealed: str, context: bytes) -> str:
        """Return the text that was sealed, opened with the key that it names."""
        id, dot, encoded = sealed.removeprefix(PREFIX).partition(".")
        if not (sealed.startswith(PREFIX) and dot and _KEY_ID.fullmatch(id)):
            raise DecryptionError("it is malformed", reason="malformed")
        cipher = self._ciphers.get(id)
        if cipher is None:
            raise DecryptionError(
                f"the key {id!r} is not in the keyring", key_id=id, reason="unknown key"
            )
        data = _from_base64url(encoded)
        if data is None or len(data) < _NONCE_BYTES + _TAG_BYTES:
            raise DecryptionError("it is malformed", key_id=id, reason="malformed")
        try:
            opened: bytes = cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], context)
            return opened.decode()
        except Exception as error:  # InvalidTag, whose class only cryptography has
            if type(error).__name__ != "InvalidTag":
                hide_locals(error)
                raise
        raise DecryptionError(
            f"the key {id!r} is not the right one, or the token was changed or moved "
            "to another row",
            key_id=id,
            reason="wrong key, changed or moved",
        )

    def is_current(self, sealed: str) -> bool:
        """Tell whether a text is sealed with the primary key."""
        return sealed.startswith(f"{PREFIX}{self.primary}.")


def _aead() -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise ImportError(
            "a Keyring needs cryptography: pip install shopify-session-storage[encryption]"
        ) from None
    return AESGCM


def _to_base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _from_base64url(text: str) -> bytes | None:
    """Read base64url without padding, in its only spelling."""
    if not _BASE64URL.fullmatch(text):
        return None
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        return None
    return data if _to_base64(data) == text else None


def _from_base64(text: str) -> bytes | None:
    """Read a key in either alphabet, with or without padding."""
    return _from_base64url(text.strip().rstrip("=").replace("+", "-").replace("/", "_"))
