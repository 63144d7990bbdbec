"""Sessions in MongoDB: the operations."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

from bson.errors import BSONError
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, ReplaceOne
from pymongo.collation import Collation
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    PyMongoError,
    WriteError,
)
from shopify_session_storage import (
    BaseSessionStorage,
    CorruptSessionError,
    OnError,
    Session,
    read_stored,
)
from shopify_session_storage.base import to_the_end
from shopify_session_storage.urls import url_with_credentials

from shopify_session_storage_mongodb import errors
from shopify_session_storage_mongodb.client import (
    CODEC_OPTIONS,
    AnyClient,
    check_name,
    checked_url,
    collection_of,
    default_database,
    hosts_of,
    new_client,
)
from shopify_session_storage_mongodb.documents import Document, document_of, session_of
from shopify_session_storage_mongodb.indexes import Indexes

# How often a write is repeated that a concurrent one of the same session has beaten.
_TRIES: Final = 5


class MongoDBSessionStorage(BaseSessionStorage):
    """Keeps sessions in a collection of a MongoDB database, one document each.

    Every operation is one command in one round trip, but for a find whose answer is longer than
    one batch of the server's (101 documents, then 16 MB), which takes further ones. A start looks
    at the indexes, in one round trip. The first one makes a unique index on ``id`` and an index on
    ``shop``; before that, where the official adapter has left several documents of one session,
    because it stored a new one twice at once, it reduces them to the newest.

    Reads go to the primary, so that a load sees every store before it, whatever the client's
    settings say. Writes have the client's write concern, if it is one that tells of failures, and
    the server's default otherwise. A write that has been sent is waited for, also if its caller is
    cancelled: it could otherwise reach the server after the next write of the same session.

    Args:
        url: ``mongodb://user:password@host:port/database`` or ``mongodb+srv://...``, with the
            driver's options, such as ``tls`` and ``authSource``; or an ``AsyncIOMotorClient`` or
            an ``AsyncMongoClient``, which is used as it is and never closed.
        database: Name of the database; without one, that of the URL.
        session_collection_name: Name of the collection.
        on_error: ``"log"`` failures of MongoDB, or ``"raise"`` them.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If the URL is not a MongoDB URL, no database is named, or a name is not usable.
    """

    backend = "mongodb"
    conditional_writes = "backend"
    leases = "backend"
    driver_errors = (PyMongoError, BSONError, OSError)
    connection_errors = (ConnectionFailure,)
    data_errors = (WriteError, BulkWriteError)

    def __init__(
        self,
        url: "str | AsyncIOMotorClient[Any] | AsyncMongoClient[Any]",
        database: str | None = None,
        *,
        session_collection_name: str = "shopify_sessions",
        on_error: OnError = "log",
    ) -> None:
        super().__init__(on_error=on_error)
        if database is not None:
            check_name("database", database)
        check_name("session_collection_name", session_collection_name)
        self._name = session_collection_name
        self._injected: AnyClient | None = None
        self._url = ""
        self._options: dict[str, Any] = {}
        if isinstance(url, AsyncIOMotorClient | AsyncMongoClient):
            self._injected = url
        else:
            self._url, self._options = checked_url(url)
        client = (
            self._injected if self._injected is not None else new_client(self._url, self._options)
        )
        self._database = database if database is not None else default_database(client)
        self._use(client)
        self._own_client: AsyncIOMotorClient[Document] | None = None

    @classmethod
    def with_credentials(
        cls,
        host: str,
        database: str,
        username: str,
        password: str,
        *,
        port: int = 27017,
        **options: Any,
    ) -> Self:
        """Make a storage from the parts of a URL, none of which needs escaping.

        As in the JavaScript package, the user is one of the database ``admin``. For a user of
        another one, say so in a URL, with ``authSource``.

        Args:
            host: A name or an address, of version 6 too.
            database: Name of the database with the sessions.
            username: Who connects.
            password: Their password.
            port: The server's port.
            options: The options of the class.
        """
        url = url_with_credentials("mongodb", host, port, username, password, "")
        return cls(url, database, **options)

    def __repr__(self) -> str:
        where = "a client" if self._injected is not None else hosts_of(self._url)
        return f"<MongoDBSessionStorage on {where}/{self._database}>"

    # --- connections ------------------------------------------------------------------------

    def _use(self, client: AnyClient) -> None:
        self._collection = collection_of(client, self._database, self._name)
        self._leases_collection = collection_of(client, self._database, f"{self._name}_leases")
        self._indexes = Indexes(self._collection, self._logger)

    @property
    def _collation(self) -> Collation | None:
        return self._indexes.collation

    async def _open(self) -> None:
        if self._injected is None:
            self._own_client = new_client(self._url, self._options)
            self._use(self._own_client)
        await self._indexes.prepare()

    async def _close(self) -> None:
        client, self._own_client = self._own_client, None
        if client is not None:
            # Says good-bye to the server, and waits for it.
            await asyncio.to_thread(client.close)

    def _abandon(self) -> None:
        client, self._own_client = self._own_client, None
        if client is not None:
            client.close()

    async def _ping(self) -> None:
        await self._collection.database.command("ping")

    # --- data -------------------------------------------------------------------------------

    async def _load(self, ids: Sequence[str]) -> list[Session]:
        # One answer has it all: the server stops at one, or has room for one more than there are.
        limits = {"limit": -1} if len(ids) == 1 else {"batch_size": len(ids) + 1}
        return await self._read({"id": _one_of(ids)}, f"stored session {ids[0]!r}", **limits)

    async def _find(self, shops: Sequence[str]) -> list[Session]:
        return await self._read({"shop": _one_of(shops)}, f"a stored session of shop {shops[0]!r}")

    async def _store(self, sessions: Sequence[Session]) -> None:
        await to_the_end(self._replace([document_of(session) for session in sessions]))

    async def _delete(self, ids: Sequence[str]) -> None:
        await to_the_end(self._delete_many({"id": _one_of(ids)}))

    async def _compare_and_store(self, session: Session, expected: Session | None) -> bool:
        document = document_of(session)
        if expected is None:
            return await to_the_end(self._insert(document))
        return await to_the_end(self._replace_same(document, expected))

    async def _insert(self, document: Document) -> bool:
        # Not insert_one(), which would leave it to the unique index alone, which may be missing.
        rest = {name: value for name, value in document.items() if name != "id"}
        try:
            result = await self._collection.update_one(
                {"id": document["id"]},
                {"$setOnInsert": rest},
                upsert=True,
                collation=self._collation,
            )
        except DuplicateKeyError as error:
            # Not if it is about an index of somebody's own.
            if "id" not in ((error.details or {}).get("keyPattern") or {"id": 1}):
                raise
            return False
        return result.upserted_id is not None

    async def _replace_same(self, document: Document, expected: Session) -> bool:
        tokens = {"accessToken": expected.access_token, "refreshToken": expected.refresh_token}
        result = await self._collection.replace_one(
            {"id": document["id"], **tokens},  # None also means that there is no such field
            document,
            collation=self._collation,
        )
        return result.matched_count > 0

    async def _acquire_lease(self, name: str, holder: str, milliseconds: int) -> bool:
        return await to_the_end(self._take_lease(name, holder, milliseconds))

    async def _take_lease(self, name: str, holder: str, milliseconds: int) -> bool:
        # The server's clock. An update that asks for it needs a newer server than all the rest.
        hello = await self._collection.database.command("hello", codec_options=CODEC_OPTIONS)
        now = round(hello["localTime"].timestamp() * 1000)
        try:
            await self._leases_collection.update_one(
                {"_id": name, "$or": [{"holder": holder}, {"expires": {"$lte": now}}]},
                {"$set": {"holder": holder, "expires": now + milliseconds}},
                upsert=True,
            )
        except DuplicateKeyError:  # it is there, but another holder's
            return False
        return True

    async def _release_lease(self, name: str, holder: str) -> None:
        await to_the_end(self._delete_lease({"_id": name, "holder": holder}))

    async def _delete_lease(self, lease: Mapping[str, str]) -> None:
        await self._leases_collection.delete_one(lease)

    async def _read(self, condition: Mapping[str, Any], what: str, **limits: int) -> list[Session]:
        cursor = self._collection.find(condition, collation=self._collation, **limits)
        try:
            documents = await cursor.to_list(None)
        except BSONError:
            documents = None
        if documents is None:
            raise CorruptSessionError(f"{what} cannot be read: it is not valid BSON")
        sessions: dict[str, Session] = {}
        for document in documents:
            session = read_stored(session_of, document, document.get("id"))
            # Where the unique index could not be made, the first of several counts: it is the one
            # that either language replaces.
            sessions.setdefault(session.id, session)
        return list(sessions.values())

    async def _replace(self, documents: Sequence[Document]) -> None:
        for _ in range(_TRIES):
            documents = await self._replace_once(documents)
            if not documents:
                return
        raise DuplicateKeyError("a unique index does not take the session", errors.DUPLICATE_KEY)

    async def _replace_once(self, documents: Sequence[Document]) -> Sequence[Document]:
        """Replace documents in one command, and return those that must be tried again.

        Of two upserts of one new id at the same time, the unique index refuses one.
        """
        try:
            if len(documents) == 1:
                (document,) = documents
                await self._collection.replace_one(
                    {"id": document["id"]}, document, upsert=True, collation=self._collation
                )
            else:
                await self._collection.bulk_write(
                    [
                        ReplaceOne(
                            {"id": document["id"]}, document, upsert=True, collation=self._collation
                        )
                        for document in documents
                    ],
                    ordered=False,
                )
        except DuplicateKeyError:
            return documents
        except BulkWriteError as error:
            failed = error.details["writeErrors"]
            others = any(one["code"] != errors.DUPLICATE_KEY for one in failed)
            if others or error.details["writeConcernErrors"]:
                raise
            return [documents[one["index"]] for one in failed]
        return ()

    async def _delete_many(self, condition: Mapping[str, Any]) -> None:
        await self._collection.delete_many(condition, collation=self._collation)

    # --- errors -----------------------------------------------------------------------------

    def _describe(self, error: Exception) -> str:
        return errors.describe(error)

    def _scrub(self, error: Exception) -> None:
        errors.scrub(error)


def _one_of(values: Sequence[str]) -> str | dict[str, list[str]]:
    return values[0] if len(values) == 1 else {"$in": list(values)}


def open_url(url: str, **options: Any) -> MongoDBSessionStorage:
    """Make the storage for ``mongodb://...`` or ``mongodb+srv://...``."""
    return MongoDBSessionStorage(url, **options)
