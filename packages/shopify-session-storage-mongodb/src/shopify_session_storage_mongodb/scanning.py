"""Walking through a collection by the unique index on ``id``."""

from typing import Any, Final

from bson.errors import BSONError
from pymongo.collation import Collation
from shopify_session_storage import (
    CorruptSessionError,
    Session,
    SessionPage,
    page_of,
    read_stored,
)

from shopify_session_storage_mongodb.client import AnyCollection
from shopify_session_storage_mongodb.documents import Document, session_of

_ID_ALONE: Final = {"_id": 0, "id": 1}


async def read_page(
    collection: AnyCollection, collation: Collation | None, after: str | None, batch: int
) -> SessionPage:
    """Return the page of the documents whose ids come after *after*. One round trip for 16 MB.

    Documents without an id, or with one that is no string, are no sessions to either language.
    """

    async def documents(fields: Document | None = None) -> list[Document]:
        bound: dict[str, Any] = {"$gte": ""} if after is None else {"$gt": after}
        cursor = collection.find({"id": bound}, fields, collation=collation)
        # With room for one more, the server's first answer is the last one.
        return await cursor.sort("id", 1).limit(batch).batch_size(batch + 1).to_list(None)

    found: list[tuple[str, Document | None]]
    try:
        found = [(one["id"], one) for one in await documents()]
    except BSONError:  # of one of them; which one, they tell one by one
        ids = [one["id"] for one in await documents(_ID_ALONE)]
        found = [(id, await _one(collection, collation, id)) for id in ids]
    last = found[-1][0] if len(found) == batch else None
    first: dict[str, Document | None] = {}  # of several, where there is no unique index
    for id, one in found:
        first.setdefault(id, one)
    return await page_of(_read, first.items(), last)


async def _one(collection: AnyCollection, collation: Collation | None, id: str) -> Document | None:
    try:
        document = await collection.find_one({"id": id}, collation=collation)
    except BSONError:
        return None
    return document


def _read(document: Document | None, id: str) -> Session:
    if document is None:
        raise CorruptSessionError(f"stored session {id!r} cannot be read: it is not valid BSON")
    return read_stored(session_of, document, id)
