"""Keys that tests of encryption seal with."""

import hashlib

from shopify_session_storage.encryption import Keyring

OLD, NEW = (hashlib.sha256(name).digest() for name in (b"old", b"new"))
BOTH_OLD_SEALS = Keyring({"old": OLD, "new": NEW})
BOTH_NEW_SEALS = Keyring({"old": OLD, "new": NEW}, primary="new")
