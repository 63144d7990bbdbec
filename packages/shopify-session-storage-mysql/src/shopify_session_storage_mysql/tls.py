"""How to encrypt what is said to the server."""

import ssl
from dataclasses import dataclass
from typing import Final

# Those of MySQL's own clients, the strictest last.
MODES: Final = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")

# Those that PostgreSQL's clients call in another way; people write these, too.
_OTHER_WORDS: Final = {
    "DISABLE": "DISABLED",
    "PREFER": "PREFERRED",
    "REQUIRE": "REQUIRED",
    "VERIFY_FULL": "VERIFY_IDENTITY",
}


def stated_mode(value: str) -> str | None:
    """Return the mode that *value* names, if any."""
    word = value.upper().replace("-", "_")
    mode = _OTHER_WORDS.get(word, word)
    return mode if mode in MODES else None


@dataclass(frozen=True)
class Tls:
    """How to encrypt connections.

    Attributes:
        mode: One of the modes of MySQL's clients.
        authority: File with the certificates of the authorities to trust; None for the system's.
        certificate: File with the client's certificate.
        key: File with its key; None if the certificate's file has it.
    """

    mode: str = "PREFERRED"
    authority: str | None = None
    certificate: str | None = None
    key: str | None = None

    def context(self) -> ssl.SSLContext | None:
        """Make the context, or None for plain connections.

        Raises:
            OSError: If a file cannot be read.
        """
        if self.mode == "DISABLED":
            return None
        context = ssl.create_default_context(cafile=self.authority)
        context.check_hostname = self.mode == "VERIFY_IDENTITY"
        if not self.mode.startswith("VERIFY"):
            context.verify_mode = ssl.CERT_NONE
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context
