"""Tokens encrypted at rest, in any storage.

::

    storage = EncryptedSessionStorage(PostgreSQLSessionStorage(url), Keyring.from_env())

Needs the extra ``shopify-session-storage[encryption]``, unless you bring a cipher of your own.
"""

from shopify_session_storage.encryption.cipher import Cipher, DecryptionError
from shopify_session_storage.encryption.keyring import Keyring
from shopify_session_storage.encryption.rotation import ReencryptReport, reencrypt
from shopify_session_storage.encryption.storage import EncryptedSessionStorage

__all__ = [
    "Cipher",
    "DecryptionError",
    "EncryptedSessionStorage",
    "Keyring",
    "ReencryptReport",
    "reencrypt",
]
