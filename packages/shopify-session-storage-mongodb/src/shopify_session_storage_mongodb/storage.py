"""Sessions in MongoDB: the operations."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, Self, Unpack

import pymongo
from bson.errors import BSONError
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.collation import Collation
from pymongo.errors import DuplicateKeyError, NetworkTimeout, PyMongoError
from shopify_session_storage import (
    DEFAULT_TIMEOUT,
    BaseSessionStorage,
    CorruptSessionError,
    OnError,
    Session,
    SessionPage,
    Verdict,
    check_grace,
    expiry_of,
    hides_arguments,
    read_stored,
    url_with_credentials,
)

from shopify_session_storage_mongodb import errors
from shopify_session_storage_mongodb.client import (
    AnyClient,
    check_name,
    checked_url,
    close,
    collection_of,
    default_database,
    drop,
    hosts_of,
    new_client,
    server_seconds,
)
from shopify_session_storage_mongodb.documents import (
    Document,
    document_of,
    one_of,
    session_of,
    with_tokens_of,
)
from shopify_session_storage_mongodb.indexes import Indexes
from shopify_session_storage_mongodb.leases import acquire_lease, release_lease
from shopify_session_storage_mongodb.options import MongoDBOptions
from shopify_session_storage_mongodb.scanning import read_page
from shopify_session_storage_mongodb.writing import delete_unchanged, insert_new, replace

# How often a write is repeated that a concurrent one of the same session has beaten.
_TRIES: Final = 5


class MongoDBSessionStorage(BaseSessionStorage):
    """Keeps sessions in a collection of a MongoDB database, one document each.

    Every operation is one command in one round trip. Only a find with a long answer takes more: the
    server sends 101 documents first, then up to 16 MB at a time. When the storage opens, it checks
    the indexes, in one round trip. If they are missing, it makes a unique index on ``id`` and an
    index on ``shop``. If the official adapter has stored a session twice at the same moment, only
    the newest of its documents is kept.

    Reads always go to the primary, so a load sees every store before it, whatever the client's
    settings say. Writes use the client's write concern if it reports failures, and the server's
    default otherwise.

    Args:
        url: ``mongodb://user:password@host:port/database`` or ``mongodb+srv://...``, with the
            driver's options, such as ``tls`` and ``authSource``; or an ``AsyncIOMotorClient`` or
            an ``AsyncMongoClient``, which is used as it is and never closed.
        database: Name of the database; None for the one in the URL.
        session_collection_name: Name of the collection.
        expire_dead: Let MongoDB delete sessions, offline ones too, this long after both of their
            tokens have expired, by an index on ``purge_at``. Give it a day or more, because clocks
            differ. MongoDB does not delete what the official JavaScript adapter writes.
        on_error: ``"log"`` failures of MongoDB, or ``"raise"`` them.
        timeout: How long a call may take; driver and server give up a little earlier. Making the
            indexes may take longer.

    Raises:
        TypeError: If an argument is of another type.
        ValueError: If the URL is not a MongoDB URL, no database is named, or a name cannot be used.
    """

    backend = "mongodb"
    conditional_writes = "backend"
    leases = "backend"
    driver_errors = (PyMongoError, BSONError, OSError)

    @hides_arguments
    def __init__(
        self,
        url: "str | AsyncIOMotorClient[Any] | AsyncMongoClient[Any]",
        database: str | None = None,
        *,
        session_collection_name: str = "shopify_sessions",
        expire_dead: timedelta | None = None,
        on_error: OnError = "log",
        timeout: timedelta = DEFAULT_TIMEOUT,
    ) -> None:
        super().__init__(on_error=on_error, timeout=timeout)
        if database is not None:
            check_name("database", database)
        check_name("session_collection_name", session_collection_name)
        check_grace(expire_dead)
        self._expire_dead = expire_dead
        self._name = session_collection_name
        self._injected: AnyClient | None = None
        self._url = ""
        self._options: dict[str, Any] = {}
        if isinstance(url, AsyncIOMotorClient | AsyncMongoClient):
            self._injected = url
        else:
            self._url, self._options = checked_url(url, self._seconds)
        client = (
            self._injected if self._injected is not None else new_client(self._url, self._options)
        )
        self._database = database if database is not None else default_database(client)
        self._use(client)
        self._collation: Collation | None = None
        self._own_client: AsyncIOMotorClient[Document] | None = None
        self._is_silent = False

    @classmethod
    @hides_arguments
    def with_credentials(
        cls,
        host: str,
        database: str,
        username: str,
        password: str,
        *,
        port: int = 27017,
        **options: Unpack[MongoDBOptions],
    ) -> Self:
        """Make a storage from the parts of a URL, none of which needs escaping.

        As in the JavaScript package, the user belongs to the database ``admin``. For a user of
        another database, pass a URL with ``authSource``.

        Args:
            host: A name or an IP address, IPv6 too.
            database: Name of the database with the sessions.
            username: The user who connects.
            password: That user's password.
            port: The server's port.
            options: The options of the class.
        """
        url = url_with_credentials("mongodb", host, port, username, password, "")
        return cls(url, database, **options)

    def __repr__(self) -> str:
        where = "a client" if self._injected is not None else hosts_of(self._url)
        return f"<MongoDBSessionStorage on {where}/{self._database}>"

    def _use(self, client: AnyClient) -> None:
        self._collection = collection_of(client, self._database, self._name)
        self._leases_collection = collection_of(client, self._database, f"{self._name}_leases")
        self._server_seconds = server_seconds(client, self._seconds)

    async def _open(self) -> None:
        if self._injected is None:
            self._own_client = new_client(self._url, self._options)
            self._use(self._own_client)
        self._collation = await Indexes(
            self._collection, self._logger, expires=self._expire_dead is not None
        ).prepare()

    async def _close(self) -> None:
        client, self._own_client = self._own_client, None
        if client is not None:
            await close(client)

    def _abandon(self) -> None:
        client = self._own_client
        self._forget()
        if client is not None:
            drop(client)

    def _forget(self) -> None:
        self._own_client = None
        self._is_silent = False

    async def _recover(self) -> None:
        # What is closed the driver notices, and connects anew. Of a silent connection it gives up
        # that one alone, and not the others that it has, nor those that watch the server.
        silent, self._is_silent = self._is_silent, False
        if silent and self._own_client is not None:
            drop(self._own_client)
            self._own_client = new_client(self._url, self._options)
            self._use(self._own_client)

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """Let driver and server give up by themselves, a little before the call's own limit."""
        try:
            with pymongo.timeout(self._server_seconds):
                yield
        except (NetworkTimeout, asyncio.CancelledError):
            self._is_silent = True
            raise

    async def _ping(self) -> None:
        with self._limited():
            await self._collection.database.command("ping")

    async def _load(self, ids: Sequence[str]) -> list[Session]:
        # One answer has it all: the server stops at one, or has room for one more than there are.
        limits = {"limit": -1} if len(ids) == 1 else {"batch_size": len(ids) + 1}
        return await self._read({"id": one_of(ids)}, f"stored session {ids[0]!r}", **limits)

    async def _find(self, shops: Sequence[str]) -> list[Session]:
        return await self._read({"shop": one_of(shops)}, f"a stored session of shop {shops[0]!r}")

    async def _scan(self, after: str | None, batch: int) -> SessionPage:
        with self._limited():
            return await read_page(self._collection, self._collation, after, batch)

    async def _store(self, sessions: Sequence[Session]) -> None:
        documents: Sequence[Document] = [self._document_of(session) for session in sessions]
        with self._limited():
            for _ in range(_TRIES):
                documents = await replace(self._collection, self._collation, documents)
                if not documents:
                    return
        raise DuplicateKeyError("a unique index does not take the session", errors.DUPLICATE_KEY)

    def _document_of(self, session: Session) -> Document:
        return document_of(session, expiry_of(session, self._expire_dead))

    async def _delete(self, ids: Sequence[str]) -> None:
        with self._limited():
            await self._collection.delete_many({"id": one_of(ids)}, collation=self._collation)

    async def _compare_and_store(self, session: Session, expected: Session | None) -> bool:
        document = self._document_of(session)
        with self._limited():
            if expected is None:
                return await insert_new(self._collection, self._collation, document)
            result = await self._collection.replace_one(
                with_tokens_of(expected), document, collation=self._collation
            )
            return result.matched_count > 0

    async def _compare_and_delete(self, expected: Sequence[Session]) -> list[str]:
        with self._limited():
            return await delete_unchanged(self._collection, self._collation, expected)

    async def _acquire_lease(self, name: str, holder: str, milliseconds: int) -> bool:
        with self._limited():
            return await acquire_lease(self._leases_collection, name, holder, milliseconds)

    async def _release_lease(self, name: str, holder: str) -> None:
        with self._limited():
            await release_lease(self._leases_collection, name, holder)

    async def _read(self, condition: Mapping[str, Any], what: str, **limits: int) -> list[Session]:
        cursor = self._collection.find(condition, collation=self._collation, **limits)
        try:
            with self._limited():
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

    def _verdict(self, error: Exception) -> Verdict:
        return errors.verdict_of(error)

    def _describe(self, error: Exception) -> str:
        return errors.describe(error)

    def _scrub(self, error: Exception) -> None:
        errors.scrub(error)


@hides_arguments
def open_url(url: str, **options: Unpack[MongoDBOptions]) -> MongoDBSessionStorage:
    """Make the storage for ``mongodb://...`` or ``mongodb+srv://...``."""
    return MongoDBSessionStorage(url, **options)
