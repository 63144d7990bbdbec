"""The indexes of a collection, and the duplicates that stand in the way of the unique one."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from inspect import isawaitable
from logging import Logger
from typing import Any, Final

from pymongo import IndexModel
from pymongo.collation import Collation
from pymongo.errors import AutoReconnect, DuplicateKeyError, OperationFailure

from shopify_session_storage_mongodb.client import AnyCollection
from shopify_session_storage_mongodb.documents import PURGE_AT, Document
from shopify_session_storage_mongodb.errors import CANNOT_INDEX, describe

_BINARY: Final = Collation("simple")

# How often the making of the unique index is repeated that new duplicates prevent.
_TRIES: Final = 5

# How many duplicated sessions are looked at together.
_PAGE: Final = 500

_NOT_IMPLEMENTED: Final = 238  # as FerretDB 1 has it

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class Indexes:
    """Makes the unique index on ``id`` and the one on ``shop``.

    Args:
        collection: The collection with the sessions.
        logger: Where to say what is missing or has been removed.
        expires: Whether to make the one by which MongoDB deletes what is dead, too.
    """

    def __init__(self, collection: AnyCollection, logger: Logger, *, expires: bool) -> None:
        self._expires = expires
        self._collection = collection
        self._logger = logger
        self._collation: Collation | None = None

    async def prepare(self) -> Collation | None:
        """Make the indexes that are missing; go on without, and say so, if that is not possible.

        Returns:
            What operations have to ask for, so that ids and shops are compared exactly; None if
            that is the collection's own way.
        """
        try:
            await self._create_missing()
        except OperationFailure as error:
            reason = CANNOT_INDEX.get(error.code or 0)
            if reason is None:
                raise
            name = self._collection.name
            self._logger.warning(
                "mongodb: the indexes of %s.%s cannot be made: %s (%s). Without them every call "
                "reads the whole collection, and if two processes store the same new session at "
                "the same time, it can be there twice. Run this as a user who may create indexes: "
                "db.getCollection(%r).createIndex({id: 1}, {unique: true}); "
                "db.getCollection(%r).createIndex({shop: 1})",
                self._collection.database.name,
                name,
                reason,
                describe(error),
                name,
                name,
            )
        if self._expires:
            await self._let_expire()
        return self._collation

    async def _let_expire(self) -> None:
        """Make the index by which MongoDB deletes what is dead. One round trip if it is there."""
        if any(map(_deletes, (await self._collection.index_information()).values())):
            return
        try:
            await self._collection.create_indexes([IndexModel(PURGE_AT, expireAfterSeconds=0)])
        except OperationFailure as error:
            if error.code not in (*CANNOT_INDEX, _NOT_IMPLEMENTED):
                raise
            self._logger.warning(
                "mongodb: %s.%s cannot delete dead sessions by itself: %s. On a server that can, "
                "run this as a user who may create indexes: "
                "db.getCollection(%r).createIndex({%s: 1}, {expireAfterSeconds: 0})",
                self._collection.database.name,
                self._collection.name,
                describe(error),
                self._collection.name,
                PURGE_AT,
            )

    async def _create_missing(self) -> None:
        """Make the indexes that are missing. One round trip if there are none."""
        for attempt in range(1, _TRIES + 1):
            existing = await self._collection.index_information()
            # The index on _id has the collation of the collection. Ids are compared exactly.
            self._collation = _BINARY if _is_collated(existing.get("_id_", {})) else None
            options = {"collation": self._collation} if self._collation else {}
            missing = []
            if not any(_serves(index, "id") and index.get("unique") for index in existing.values()):
                await self._remove_duplicates()
                # An index that is not unique may have the usual name.
                name = "id_1" if "id_1" not in existing else "id_unique"
                missing.append(IndexModel("id", unique=True, name=name, **options))
            if not any(_serves(index, "shop") for index in existing.values()):
                missing.append(IndexModel("shop", **options))
            if not missing:
                return
            try:
                await self._collection.create_indexes(missing)
            except (DuplicateKeyError, AutoReconnect):
                # The official adapter has left new duplicates meanwhile, or a connection is lost,
                # which the driver does not try again by itself here.
                if attempt == _TRIES:
                    raise
            else:
                return

    async def _remove_duplicates(self) -> None:
        """Reduce the documents with one id to the newest.

        That is the one that expires last; if the dates do not tell, the first that was stored,
        because that is the one that the official adapter has been loading and replacing since.
        What is replaced while this goes on is left for the next attempt. Any number of processes
        may do it at once.
        """
        cursor: Any = self._collection.aggregate(
            [
                {"$match": {"id": {"$type": "string"}}},
                {"$group": {"_id": "$id", "count": {"$sum": 1}}},
                {"$match": {"count": {"$gt": 1}}},
            ],
            allowDiskUse=True,
            collation=self._collation,
        )
        if isawaitable(cursor):  # Motor's is not
            cursor = await cursor
        ids = [group["_id"] for group in await cursor.to_list(None)]
        for first in range(0, len(ids), _PAGE):
            page = ids[first : first + _PAGE]
            found: dict[str, list[Document]] = {id: [] for id in page}
            documents = self._collection.find({"id": {"$in": page}}, collation=self._collation)
            for document in await documents.to_list(None):
                found[document["id"]].append(document)
            for id, duplicates in found.items():
                await self._keep_newest(id, duplicates)

    async def _keep_newest(self, id: str, documents: Sequence[Document]) -> None:
        newest = max(documents, key=_expires, default=None)  # the first of several
        removed = 0
        for document in documents:
            if document is not newest:
                # Only as it has been read: meanwhile it may have become the newest.
                unchanged = {key: document.get(key) for key in ("_id", "accessToken", "expires")}
                result = await self._collection.delete_one(unchanged, collation=self._collation)
                removed += result.deleted_count
        if removed:
            self._logger.warning(
                "mongodb: session %r was stored %d times; kept the newest", id, removed + 1
            )


def _is_collated(index: Mapping[str, Any]) -> bool:
    locale: str = index.get("collation", {}).get("locale", "simple")
    return locale != "simple"


def _serves(index: Mapping[str, Any], field: str) -> bool:
    """Tell whether the server finds documents by *field*, exactly compared, in an index."""
    if "partialFilterExpression" in index or index.get("hidden") or _is_collated(index):
        return False
    fields = [name for name, _ in index["key"]]
    return fields == [field] or (fields[0] == field and not index.get("unique"))


def _deletes(index: Mapping[str, Any]) -> bool:
    fields = [name for name, _ in index["key"]]
    return fields == [PURGE_AT] and "expireAfterSeconds" in index


def _expires(document: Document) -> datetime:
    expires = document.get("expires")
    return expires if isinstance(expires, datetime) else _NEVER
