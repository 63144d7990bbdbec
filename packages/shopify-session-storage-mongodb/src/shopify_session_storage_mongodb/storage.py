"""Sessions in MongoDB, in the layout of Shopify's official JavaScript adapter."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from inspect import isawaitable
from typing import Any, Final, Self, TypeAlias

from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo import AsyncMongoClient, IndexModel, ReadPreference, ReplaceOne, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.collation import Collation
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    InvalidName,
    OperationFailure,
    PyMongoError,
    WriteError,
)
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import split_options
from shopify_session_storage import (
    BaseSessionStorage,
    CorruptSessionError,
    OnError,
    OnlineAccessInfo,
    Session,
    read_stored,
)
from shopify_session_storage.base import to_the_end
from shopify_session_storage.urls import url_with_credentials

_Document: TypeAlias = dict[str, Any]
_AnyClient: TypeAlias = "AsyncIOMotorClient[_Document] | AsyncMongoClient[_Document]"
_AnyCollection: TypeAlias = "AsyncIOMotorCollection[_Document] | AsyncCollection[_Document]"

# Options of the driver's client that differ from its own, in milliseconds: a host that does not
# answer is given up before the caller's own request is.
_CLIENT_OPTIONS: Final = {"serverSelectionTimeoutMS": 5000, "connectTimeoutMS": 5000}

# Whatever the user's client decodes to. A date that Python has not is left for the reader to
# refuse, since a failure to decode would be that of all documents in the answer.
_CODEC_OPTIONS: Final[CodecOptions[_Document]] = CodecOptions(
    tz_aware=True, tzinfo=UTC, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)

_BINARY: Final = Collation("simple")

# How often a write is repeated that a concurrent one of the same session has beaten, and the
# making of the unique index that new duplicates prevent.
_TRIES: Final = 5

# How many duplicated sessions are looked at together.
_PAGE: Final = 500

_DUPLICATE_KEY: Final = 11000
_CANNOT_INDEX: Final = {
    13: "the user may not",  # Unauthorized
    67: "the server will not",  # CannotCreateIndex, such as beside another shard key
    85: "another index is in the way",  # IndexOptionsConflict
    86: "another index is in the way",  # IndexKeySpecsConflict
    _DUPLICATE_KEY: "several documents have the same id, or none",
}

# Where the messages of server and driver begin to repeat documents, values or the whole topology.
_DETAILS: Final = re.compile(r", full error:|, Timeout:|[{\"']")


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
            _check_name("database", database)
        _check_name("session_collection_name", session_collection_name)
        self._name = session_collection_name
        self._injected: _AnyClient | None = None
        self._url = ""
        self._options: dict[str, Any] = {}
        if isinstance(url, AsyncIOMotorClient | AsyncMongoClient):
            self._injected = url
        else:
            self._url, self._options = _checked_url(url)
        client = self._injected if self._injected is not None else self._new_client()
        self._database = database if database is not None else _default_database(client)
        self._use(client)
        self._own_client: AsyncIOMotorClient[_Document] | None = None
        self._collation: Collation | None = None

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
        where = "a client" if self._injected is not None else _hosts(self._url)
        return f"<MongoDBSessionStorage on {where}/{self._database}>"

    # --- connections ------------------------------------------------------------------------

    def _new_client(self) -> "AsyncIOMotorClient[_Document]":
        """Make a client, which does no I/O before it is used."""
        try:
            return AsyncIOMotorClient(self._url, **self._options)
        except (PyMongoError, ValueError, TypeError, OSError) as error:
            problem = _problem(error)
        raise ValueError(f"the MongoDB URL cannot be used: {problem}")

    def _use(self, client: _AnyClient) -> None:
        self._collection = self._collection_of(client, self._name)
        self._leases_collection = self._collection_of(client, f"{self._name}_leases")

    def _collection_of(self, client: _AnyClient, name: str) -> _AnyCollection:
        try:
            return client[self._database].get_collection(
                name,
                codec_options=_CODEC_OPTIONS,
                read_preference=ReadPreference.PRIMARY,
                # Not "majority", which need not see a write that a smaller number acknowledged.
                read_concern=ReadConcern("local"),
                write_concern=(
                    client.write_concern if client.write_concern.acknowledged else WriteConcern()
                ),
            )
        except InvalidName as error:
            problem = str(error)
        raise ValueError(problem)

    async def _open(self) -> None:
        if self._injected is None:
            self._own_client = self._new_client()
            self._use(self._own_client)
        await self._prepare()

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
        await to_the_end(self._replace([_document(session) for session in sessions]))

    async def _delete(self, ids: Sequence[str]) -> None:
        await to_the_end(self._delete_many({"id": _one_of(ids)}))

    async def _compare_and_store(self, session: Session, expected: Session | None) -> bool:
        document = _document(session)
        if expected is None:
            return await to_the_end(self._insert(document))
        return await to_the_end(self._replace_same(document, expected))

    async def _insert(self, document: _Document) -> bool:
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

    async def _replace_same(self, document: _Document, expected: Session) -> bool:
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
        hello = await self._collection.database.command("hello", codec_options=_CODEC_OPTIONS)
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
            session = read_stored(_session, document, document.get("id"))
            # Where the unique index could not be made, the first of several counts: it is the one
            # that either language replaces.
            sessions.setdefault(session.id, session)
        return list(sessions.values())

    async def _replace(self, documents: Sequence[_Document]) -> None:
        for _ in range(_TRIES):
            documents = await self._replace_once(documents)
            if not documents:
                return
        raise DuplicateKeyError("a unique index does not take the session", _DUPLICATE_KEY)

    async def _replace_once(self, documents: Sequence[_Document]) -> Sequence[_Document]:
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
            others = any(one["code"] != _DUPLICATE_KEY for one in failed)
            if others or error.details["writeConcernErrors"]:
                raise
            return [documents[one["index"]] for one in failed]
        return ()

    async def _delete_many(self, condition: Mapping[str, Any]) -> None:
        await self._collection.delete_many(condition, collation=self._collation)

    # --- indexes ----------------------------------------------------------------------------

    async def _prepare(self) -> None:
        """Make the indexes that are missing; go on without, and say so, if that is not possible."""
        try:
            await self._create_indexes()
        except OperationFailure as error:
            reason = _CANNOT_INDEX.get(error.code or 0)
            if reason is None:
                raise
            self._logger.warning(
                "mongodb: the indexes of %s.%s cannot be made: %s (%s). Without them every call "
                "reads the whole collection, and a session that two processes store for the first "
                "time at once can be there twice. Have somebody run this who may: "
                "db.getCollection(%r).createIndex({id: 1}, {unique: true}); "
                "db.getCollection(%r).createIndex({shop: 1})",
                self._database,
                self._name,
                reason,
                self._describe(error),
                self._name,
                self._name,
            )

    async def _create_indexes(self) -> None:
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
            found: dict[str, list[_Document]] = {id: [] for id in page}
            documents = self._collection.find({"id": {"$in": page}}, collation=self._collation)
            for document in await documents.to_list(None):
                found[document["id"]].append(document)
            for id, duplicates in found.items():
                await self._keep_newest(id, duplicates)

    async def _keep_newest(self, id: str, documents: Sequence[_Document]) -> None:
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

    # --- errors -----------------------------------------------------------------------------

    def _describe(self, error: Exception) -> str:
        name, text = type(error).__name__, _problem(error)
        code = getattr(error, "code", None)
        if code is not None:
            name = f"{name} ({code})"
        return f"{name}: {text}" if text else name

    def _scrub(self, error: Exception) -> None:
        # Such as the document that was refused, in several places.
        for name, value in vars(error).items():
            if isinstance(value, Mapping):
                setattr(error, name, {})
            elif isinstance(value, str):
                setattr(error, name, _problem(error))
        error.args = (_problem(error),)


def _one_of(values: Sequence[str]) -> str | dict[str, list[str]]:
    return values[0] if len(values) == 1 else {"$in": list(values)}


def _is_collated(index: Mapping[str, Any]) -> bool:
    locale: str = index.get("collation", {}).get("locale", "simple")
    return locale != "simple"


def _serves(index: Mapping[str, Any], field: str) -> bool:
    """Tell whether the server finds documents by *field*, exactly compared, in an index."""
    if "partialFilterExpression" in index or index.get("hidden") or _is_collated(index):
        return False
    fields = [name for name, _ in index["key"]]
    return fields == [field] or (fields[0] == field and not index.get("unique"))


def _document(session: Session) -> _Document:
    """Return what is stored of a session, in the order of ``Session.toObject()``."""
    document: _Document = {
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
    return document


def _without_none(values: Mapping[str, Any]) -> _Document:
    return {name: value for name, value in values.items() if value is not None}


def _session(document: _Document) -> Session:
    session = Session.from_dict(document)
    if not session.is_online:
        session.online_access_info = None
    elif session.online_access_info is None:
        session.online_access_info = OnlineAccessInfo()
    return session


_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def _expires(document: _Document) -> datetime:
    expires = document.get("expires")
    return expires if isinstance(expires, datetime) else _NEVER


def _problem(error: Exception) -> str:
    """Describe an error without the values that its text may repeat."""
    if isinstance(error, BSONError):
        return ""
    return _DETAILS.split(str(error))[0].strip()


def _check_name(option: str, name: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"{option} must be a str, not {type(name).__name__}")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{option} must not contain lone surrogates") from None


def _default_database(client: _AnyClient) -> str:
    try:
        return client.get_default_database().name
    except PyMongoError:
        pass
    raise ValueError("no database is named, neither by the URL nor by the argument database")


def _checked_url(url: str) -> tuple[str, dict[str, int]]:
    """Return a URL for the driver, and the options that it leaves to us."""
    if not isinstance(url, str):
        raise TypeError(
            "url must be a str, an AsyncIOMotorClient or an AsyncMongoClient, "
            f"not {type(url).__module__}.{type(url).__name__}"
        )
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in ("mongodb", "mongodb+srv"):
        raise ValueError("a MongoDB URL is mongodb://user:password@host:port/database")
    _, _, query = rest.partition("?")
    if "@" in query:
        raise ValueError("the user and the password in a MongoDB URL must be escaped")
    given: set[str] = set()
    problem = None
    try:
        # The client itself would only warn of an option that it does not know.
        if query:
            given = {name.lower() for name in split_options(query, normalize=False)}
    except (PyMongoError, ValueError, TypeError) as error:
        problem = _problem(error)
    if problem is not None:
        raise ValueError(f"the MongoDB URL cannot be used: {problem}")
    options = {name: value for name, value in _CLIENT_OPTIONS.items() if name.lower() not in given}
    return f"{scheme}://{rest}", options


def _hosts(url: str) -> str:
    """Return the part of a URL that may be shown."""
    authority = re.split("[/?]", url.partition("://")[2])[0]
    return authority.rpartition("@")[2]


def open_url(url: str, **options: Any) -> MongoDBSessionStorage:
    """Make the storage for ``mongodb://...`` or ``mongodb+srv://...``."""
    return MongoDBSessionStorage(url, **options)
