"""Two keys, and the key rings before and after a rotation from one to the other."""

import secrets

from shopify_session_storage.encryption import Keyring

OLD, NEW = secrets.token_bytes(32), secrets.token_bytes(32)
OLD_SEALS = Keyring({"old": OLD, "new": NEW})
NEW_SEALS = Keyring({"new": NEW, "old": OLD})
