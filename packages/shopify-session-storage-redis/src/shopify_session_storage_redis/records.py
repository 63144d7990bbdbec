"""Between sessions and what Redis keeps: keys, lists of keys, JSON."""

import json
import re
from collections.abc import Iterable
from contextlib import suppress

# As json.dumps(ensure_ascii=False) has it, without what is around it there.
from json.encoder import encode_basestring
from typing import Final, TypeAlias

from shopify_session_storage import (
    CorruptSessionError,
    Session,
    is_session_id,
    read_session_json,
)

# A shop, a key in its list, and what is stored under that.
Listed: TypeAlias = tuple[str, str, bytes | None]

# The same as read() in common.lua tells.
_LIST: Final = re.compile(rb'\s*\[\s*["\]]')
_SESSION: Final = re.compile(rb"\s*\[\s*\[")


class Keys:
    """The names of keys.

    Args:
        prefix: What all of them begin with, with its underscore.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def key(self, name: str) -> bytes:
        """Return the key of a session, given its id, or of a list, given its shop."""
        return f"{self.prefix}{name}".encode()

    def name(self, key: bytes) -> str | None:
        """Return the name in a key with the prefix; None if it is none of ours."""
        try:
            return key.decode().removeprefix(self.prefix)
        except UnicodeDecodeError:
            return None

    def token(self, id: str) -> bytes:
        """Return a session's key as it stands in the list."""
        return encode_basestring(f"{self.prefix}{id}").encode()

    def ids_in(self, names: Iterable[str]) -> list[str]:
        """Return the ids of those names in a list that are keys of sessions."""
        ids = [name.removeprefix(self.prefix) for name in names if name.startswith(self.prefix)]
        return [id for id in dict.fromkeys(ids) if is_session_id(id)]

    def lease(self, name: str) -> bytes:
        """Return the key of a lease."""
        # Everything that begins with the prefix is a session or a list to the JavaScript adapter.
        return f"leases:{self.prefix}:{name}".encode()


def checked_prefix(prefix: str) -> str:
    """Return the prefix of a user's choice, if it can be one.

    Raises:
        TypeError: If it is no str.
        ValueError: If it is empty or cannot be stored.
    """
    if not isinstance(prefix, str):
        raise TypeError(f"session_key_prefix must be a str, not {type(prefix).__name__}")
    try:
        prefix.encode()
    except UnicodeEncodeError:
        raise ValueError("session_key_prefix must not contain lone surrogates") from None
    if not prefix or "\0" in prefix:
        raise ValueError("session_key_prefix must not be empty or contain NUL")
    return prefix


def read(value: bytes | None, id: str) -> Session | None:
    """Read what is stored under a session's key. The list of a shop is no session."""
    if value is None or is_list(value):
        return None
    session = read_session_json(value, id)
    if session.id != id:
        raise CorruptSessionError(f"stored session {id!r} cannot be read: it has another id", id=id)
    return session


def is_list(value: bytes) -> bool:
    """Tell whether a text, or its beginning, is that of a shop's list."""
    return value[:2] != b"[[" and bool(_LIST.match(value))


def read_scanned(value: bytes | None, name: str) -> Session | None:
    """Read what is under a key that was come upon; None if it is no session of this storage."""
    if value is None or is_list(value):
        return None
    # The keys of a longer prefix begin alike, but are another storage's.
    if name.endswith("_migrations") and value.startswith(b"{"):
        return None
    session = read_session_json(value, name)
    if session.id != name:
        if name.endswith(f"_{session.id}"):
            return None
        raise CorruptSessionError(
            f"stored session {name!r} cannot be read: it has another id", id=name
        )
    return session


def tokens_of(session: Session | None) -> list[bytes]:
    """Spell the tokens of a session as spelled_tokens() in common.lua does."""
    if session is None:
        return [b"-", b"-"]
    tokens = (session.access_token, session.refresh_token)
    return [b"" if token is None else b"=" + token.encode() for token in tokens]


def kind_of(answer: bytes | Exception | None) -> tuple[bytes, bytes]:
    """Tell what a key holds, as read() in common.lua does."""
    if answer is None:
        return b"none", b""
    if isinstance(answer, Exception):
        return b"other", b""
    if _LIST.match(answer):
        return b"list", answer
    return (b"session" if _SESSION.match(answer) else b"text"), answer


def names_in(kind: bytes, text: bytes, shop: str) -> list[str]:
    """Read the list of a shop. What is a session, or is not there, is an empty one."""
    if kind in (b"none", b"session"):
        return []
    names = None
    if kind == b"list":
        with suppress(ValueError, RecursionError):
            names = json.loads(text.decode())
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise unreadable(shop)
    return names


def sessions_in(listed: Iterable[Listed], prefix: str) -> list[Session]:
    """Read the sessions of shops from what their lists lead to."""
    sessions: dict[str, Session] = {}
    for shop, name, value in listed:
        # Keys of other applications may have got into the list.
        if value is None or name in sessions or not name.startswith(prefix):
            continue
        if is_list(value):
            continue
        id = name.removeprefix(prefix)
        session = read_session_json(value, id)
        # An entry dangles when its session has moved; and a key that begins with a longer
        # prefix, of another storage, holds a session with another id.
        if session.shop == shop and session.id == id:
            sessions[name] = session
    return list(sessions.values())


def unreadable(shop: str) -> CorruptSessionError:
    """Word that what is under the key of a shop's list is no list."""
    return CorruptSessionError(f"the list of shop {shop!r} cannot be read")
