"""Writes that somebody else may come between."""

from collections.abc import Sequence

from pymongo import DeleteOne, ReplaceOne
from pymongo.collation import Collation
from pymongo.errors import BulkWriteError, DuplicateKeyError
from shopify_session_storage import Session

from shopify_session_storage_mongodb import errors
from shopify_session_storage_mongodb.client import AnyCollection
from shopify_session_storage_mongodb.documents import (
    Document,
    has_tokens_of,
    one_of,
    with_tokens_of,
)


async def replace(
    collection: AnyCollection, collation: Collation | None, documents: Sequence[Document]
) -> Sequence[Document]:
    """Replace documents in one command, and return those that must be tried again.

    Of two upserts of one new id at the same time, the unique index refuses one.
    """
    try:
        if len(documents) == 1:
            (document,) = documents
            await collection.replace_one(
                {"id": document["id"]}, document, upsert=True, collation=collation
            )
        else:
            writes = [
                ReplaceOne({"id": one["id"]}, one, upsert=True, collation=collation)
                for one in documents
            ]
            await collection.bulk_write(writes, ordered=False)
    except DuplicateKeyError:
        return documents
    except BulkWriteError as error:
        failed = error.details["writeErrors"]
        others = any(one["code"] != errors.DUPLICATE_KEY for one in failed)
        if others or error.details["writeConcernErrors"]:
            raise
        return [documents[one["index"]] for one in failed]
    return ()


async def insert_new(
    collection: AnyCollection, collation: Collation | None, document: Document
) -> bool:
    """Insert a document unless there is one with its id; tell whether it was inserted."""
    # Not insert_one(), which would leave it to the unique index alone, which may be missing.
    rest = {name: value for name, value in document.items() if name != "id"}
    try:
        result = await collection.update_one(
            {"id": document["id"]},
            {"$setOnInsert": rest},
            upsert=True,
            collation=collation,
        )
    except DuplicateKeyError as error:
        # Not if it is about an index of somebody's own.
        if "id" not in ((error.details or {}).get("keyPattern") or {"id": 1}):
            raise
        return False
    return result.upserted_id is not None


async def delete_unchanged(
    collection: AnyCollection, collation: Collation | None, expected: Sequence[Session]
) -> list[str]:
    """Delete sessions that have the tokens that are expected; return the ids of the others."""
    others: list[str] = []
    remaining = {session.id: session for session in expected}
    while remaining:
        writes = [
            DeleteOne(with_tokens_of(session), collation=collation)
            for session in remaining.values()
        ]
        result = await collection.bulk_write(writes, ordered=False)
        if result.deleted_count == len(remaining):
            break
        found = await collection.find(
            {"id": one_of(list(remaining))},
            {"_id": 0, "id": 1, "accessToken": 1, "refreshToken": 1},
            collation=collation,
        ).to_list(None)
        # Whoever has stored the same tokens again meanwhile has them deleted again.
        again = [one for one in found if has_tokens_of(one, remaining[one["id"]])]
        others += (one["id"] for one in found if one not in again)
        remaining = {one["id"]: remaining[one["id"]] for one in again}
    return others
