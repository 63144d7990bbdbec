"""The tokens of a session, sealed and opened."""

from asyncio import CancelledError
from typing import Final, Literal

from shopify_session_storage.encryption.cipher import Cipher, DecryptionError
from shopify_session_storage.encryption.keyring import PREFIX
from shopify_session_storage.errors import InvalidSessionError, SessionStorageError
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
        if getattr(session, name):
            context = _context(session, field)
            try:
                setattr(copy, name, await _sealed(cipher, getattr(session, name), name, context))
            except BaseException as error:
                _hide(error)
                raise
    return copy


async def _sealed(cipher: Cipher, token: str, name: str, context: bytes) -> str:
    if token.startswith(PREFIX):
        raise InvalidSessionError(f"{name} is encrypted already")
    text = await cipher.seal(token, context)
    if not text.startswith(PREFIX):  # it would be read as a token
        raise ValueError(f"what the cipher's seal() returns must begin with {PREFIX}")
    return text


async def opened(cipher: Cipher, session: Session, plaintext: Plaintext) -> Session:
    """Return *session* with its tokens opened.

    Raises:
        DecryptionError: If one cannot be opened, or is not sealed where it must be.
    """
    copy = copy_session(session)
    for name, field in _FIELDS.items():
        if not getattr(session, name):
            continue
        context = _context(session, field)
        failure: DecryptionError
        try:
            setattr(copy, name, await _opened(cipher, getattr(session, name), context, plaintext))
        except DecryptionError as error:
            hide_locals(error)
            failure = error
        except BaseException as error:
            _hide(error)
            raise
        else:
            continue
        raise _undecipherable(session, name, failure)
    return copy


async def _opened(cipher: Cipher, text: str, context: bytes, plaintext: Plaintext) -> str:
    if text.startswith(PREFIX):
        return await cipher.open(text, context)
    if plaintext == "accept":
        return text
    raise DecryptionError("it is not encrypted", reason="not encrypted")


def _hide(error: BaseException) -> None:
    """Remove the frames that a cipher has failed in: they hold tokens, and perhaps keys."""
    expected = isinstance(error, SessionStorageError | CancelledError)
    hide_locals(error, places=not expected and not getattr(error, "__notes__", None))


def is_current(cipher: Cipher, session: Session) -> bool:
    """Tell whether every token is sealed with the key that seals now."""
    return all(
        not token or cipher.is_current(token)
        for token in (session.access_token, session.refresh_token)
    )


def _undecipherable(session: Session, name: str, failure: DecryptionError) -> DecryptionError:
    return DecryptionError(
        f"the {name.replace('_', ' ')} of session {session.id!r} cannot be decrypted: {failure}",
        id=session.id,
        key_id=failure.key_id,
        reason=failure.reason,
    )
