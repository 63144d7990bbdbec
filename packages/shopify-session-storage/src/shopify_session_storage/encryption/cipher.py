"""What seals and opens a token, and what is said when it cannot be opened."""

from typing import Protocol

from shopify_session_storage.errors import CorruptSessionError


class DecryptionError(CorruptSessionError):
    """A stored token that cannot be decrypted. It is raised whatever ``on_error`` says.

    A wrong key is a fault of the deployment: an empty answer would send every merchant to
    authenticate again, and overwrite good rows.

    Attributes:
        key_id: The id of the key that it names, or None.
        reason: ``"unknown key"``, ``"wrong key, changed or moved"``, ``"malformed"`` or
            ``"not encrypted"``.
    """

    def __init__(
        self, message: str, *, id: str | None = None, key_id: str | None = None, reason: str = ""
    ) -> None:
        super().__init__(message, id=id)
        self.key_id = key_id
        self.reason = reason


class Cipher(Protocol):
    """Seals and opens texts; for keys that a KMS keeps. :class:`Keyring` is one.

    What :meth:`seal` returns begins with ``enc1.``, is ASCII without spaces, and can be told by
    :meth:`is_current` without being opened. *context* is authenticated with it: opened in another
    context it must fail.
    """

    async def seal(self, text: str, context: bytes) -> str:
        """Return *text* sealed."""

    async def open(self, sealed: str, context: bytes) -> str:
        """Return the text that was sealed.

        Raises:
            DecryptionError: If it cannot be opened, was changed, or was sealed in another context.
        """

    def is_current(self, sealed: str) -> bool:
        """Tell whether a text is sealed as :meth:`seal` would seal it now, with the same key."""
