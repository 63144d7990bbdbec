"""Between a session and its document, in the layout of Shopify's official JavaScript adapter."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from shopify_session_storage import OnlineAccessInfo, Session

Document: TypeAlias = dict[str, Any]

PURGE_AT: Final = "purge_at"
"""The field that says when MongoDB is to delete a document. The official JavaScript adapter
neither reads nor keeps it."""


def document_of(session: Session, expiry: datetime | None = None) -> Document:
    """Return what is stored of a session, in the order of ``Session.toObject()``.

    Args:
        session: The session.
        expiry: When MongoDB is to delete it.
    """
    document: Document = {
        "id": session.id,
        "shop": session.shop,
        "state": session.state,
        "isOnline": session.is_online,
    }
    optional = {
        "scope": session.scope,
        "expires": session.expires,
        "accessToken": session.access_token,
        "refreshToken": session.refresh_token,
        "refreshTokenExpires": session.refresh_token_expires,
    }
    document.update(_without_none(optional))
    info = session.online_access_info
    if info is not None:
        document["onlineAccessInfo"] = _without_none(
            {
                "expires_in": info.expires_in,
                "associated_user_scope": info.associated_user_scope,
                "associated_user": _without_none(vars(info.associated_user)),
            }
        )
    if expiry is not None:
        document[PURGE_AT] = expiry
    return document


def _without_none(values: Mapping[str, Any]) -> Document:
    return {name: value for name, value in values.items() if value is not None}


def session_of(document: Document) -> Session:
    """Read a document as a session.

    Raises:
        InvalidSessionError: If it is none.
    """
    session = Session.from_dict(document)
    if not session.is_online:
        session.online_access_info = None
    elif session.online_access_info is None:
        session.online_access_info = OnlineAccessInfo()
    return session


def with_tokens_of(expected: Session) -> Document:
    """Return the condition for the document of *expected* if it still has the same tokens."""
    return {
        "id": expected.id,
        "accessToken": expected.access_token,  # None also means that there is no such field
        "refreshToken": expected.refresh_token,
    }


def has_tokens_of(document: Document, expected: Session) -> bool:
    """Tell whether a document has the tokens of *expected*."""
    tokens = (document.get("accessToken"), document.get("refreshToken"))
    return tokens == (expected.access_token, expected.refresh_token)


def one_of(values: Sequence[str]) -> str | dict[str, list[str]]:
    """Return the condition for a field that has one of *values*."""
    return values[0] if len(values) == 1 else {"$in": list(values)}
