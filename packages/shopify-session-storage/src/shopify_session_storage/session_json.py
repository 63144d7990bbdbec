"""Sessions as JSON text, for the layouts that keep a property array so."""

import json

from shopify_session_storage.errors import CorruptSessionError
from shopify_session_storage.session import Session
from shopify_session_storage.stored import read_property_array

# As JSON.stringify() spells it: without spaces, and without escapes that JSON does not demand.
_from_json = json.JSONDecoder().decode
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def dump_session_json(session: Session) -> str:
    """Return the JSON text of a session's property array, for the layouts that keep one."""
    return _to_json(session.to_property_array(return_user_data=True))


def read_session_json(text: str | bytes, id: object = None) -> Session:
    """Read the JSON text of a property array, in any spelling of JSON.

    Args:
        text: The text; bytes are UTF-8.
        id: The id under which it is stored, for the message.

    Raises:
        CorruptSessionError: If it is not JSON, or not that of a session.
    """
    try:
        entries = _from_json(text.decode() if isinstance(text, bytes) else text)
    except (ValueError, RecursionError):  # a JSONDecodeError holds the text
        entries = None
    if not isinstance(entries, list):
        raise CorruptSessionError(f"stored session {id!r} cannot be read: it is no JSON array")
    return read_property_array(entries, id)
