"""The tokens of a session, sealed and opened."""

from typing import Final, Literal

from shopify_session_storage.encryption.cipher import Cipher, DecryptionError
from shopify_session_storage.encryption.keyring import PREFIX
from shopify_session_storage.errors import InvalidSessionError
from shopify_session_storage.failures import hide_locals
from shopify_session_storage.session import Session
from shopify_session_storage.stored import copy_session

Plaintext = Literal["accept", "refuse"]

# By the names in the layouts, which go into what is authenticated.
_FIELDS: Final = {"access_token": "accessToken", "refresh_token": "refreshToken"}


def _context(session: Session, field: str) -> bytes:
    return "\0".join(("shopify-session-storage", session.id, session.shop, field)).encode()


async def sealed(cipher: Cipher, session: Session) -> Session:
    """Return *session* with its tokens sealed. None and the empty string stay.

    Raises:
        InvalidSessionError: If a token is sealed already.
        ValueError: If the cipher makes something that could not be told from a token.
    """
    copy = copy_session(session)
    for name, field in _FIELDS.items():
        token = getattr(session, name)
        if token:
            if token.startswith(PREFIX):
                raise InvalidSessionError(f"{name} is encrypted already")
            text = await cipher.seal(token, _context(session, field))
            if not text.startswith(PREFIX):  # it would be read as a token
                raise ValueError(f"what the cipher's seal() returns must begin with {PREFIX}")
            setattr(copy, name, text)
    return copy


async def opened(cipher: Cipher, session: Session, plaintext: Plaintext) -> Session:
    """Return *session* with its tokens opened.

    Raises:
        DecryptionError: If one cannot be opened, or is not sealed where it must be.
    """
    copy = copy_session(session)
    for name, field in _FIELDS.items():
        token = getattr(session, name)
        if not token or (plaintext == "accept" and not token.startswith(PREFIX)):
            continue
        if not token.startswith(PREFIX):
            raise _undecipherable(session, name, "it is not encrypted", None, "not encrypted")
        failure: DecryptionError
        try:
            setattr(copy, name, await cipher.open(token, _context(session, field)))
        except DecryptionError as error:
            hide_locals(error)
            failure = error
        else:
            continue
        raise _undecipherable(session, name, str(failure), failure.key_id, failure.reason)
    return copy


def is_current(cipher: Cipher, session: Session) -> bool:
    """Tell whether every token is sealed with the key that seals now."""
    return all(
        not token or cipher.is_current(token)
        for token in (session.access_token, session.refresh_token)
    )


def _undecipherable(
    session: Session, name: str, why: str, key_id: str | None, reason: str
) -> DecryptionError:
    return DecryptionError(
        f"the {name.replace('_', ' ')} of session {session.id!r} cannot be decrypted: {why}",
        id=session.id,
        key_id=key_id,
        reason=reason,
    )
