"""What seals (encrypts) and opens (decrypts) tokens, and the error if one cannot be opened."""

from typing import Protocol

from shopify_session_storage.errors import CorruptSessionError


class DecryptionError(CorruptSessionError):
    """A stored token cannot be decrypted. This is raised whatever ``on_error`` says.

    A wrong key is a mistake in the deployment. An empty answer would make every merchant
    authenticate again, and overwrite good rows.

    Attributes:
        key_id: The id of the key that the stored token names, or None.
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
    """Seals and opens texts. :class:`Keyring` is one; write your own for keys that a KMS keeps.

    What :meth:`seal` returns begins with ``enc1.`` and is ASCII without spaces. :meth:`is_current`
    judges it without opening it. *context* is authenticated together with the text, so a text
    sealed in one context must not open in another.
    """

    async def seal(self, text: str, context: bytes) -> str:
        """Return *text* sealed.

        Raises:
            SessionStorageUnavailableError: If the keys cannot be reached right now. For this alone
                an :class:`AccessTokenStore` tries again: Shopify may have ended the old tokens
                already.
        """

    async def open(self, sealed: str, context: bytes) -> str:
        """Return the text that was sealed.

        Raises:
            DecryptionError: If it cannot be opened, was changed, or was sealed in another context.
            SessionStorageUnavailableError: If the keys cannot be reached right now.
        """

    def is_current(self, sealed: str) -> bool:
        """Tell whether a text is sealed as :meth:`seal` would seal it now, with the same key."""
