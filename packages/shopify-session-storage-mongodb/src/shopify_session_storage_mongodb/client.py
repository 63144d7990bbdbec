"""Clients of MongoDB: the URL, the driver's options, and how collections are read and written."""

import re
from datetime import UTC
from typing import Any, Final, TypeAlias

from bson.codec_options import CodecOptions, DatetimeConversion
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo import AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import InvalidName, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import split_options

from shopify_session_storage_mongodb.documents import Document
from shopify_session_storage_mongodb.errors import problem_of

AnyClient: TypeAlias = "AsyncIOMotorClient[Document] | AsyncMongoClient[Document]"
AnyCollection: TypeAlias = "AsyncIOMotorCollection[Document] | AsyncCollection[Document]"

# Options of the driver's client that differ from its own, in milliseconds: a host that does not
# answer is given up before the caller's own request is.
_OPTIONS: Final = {"serverSelectionTimeoutMS": 5000, "connectTimeoutMS": 5000}

# Whatever the user's client decodes to. A date that Python has not is left for the reader to
# refuse, since a failure to decode would be that of all documents in the answer.
CODEC_OPTIONS: Final[CodecOptions[Document]] = CodecOptions(
    tz_aware=True, tzinfo=UTC, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)


def new_client(url: str, options: dict[str, Any]) -> "AsyncIOMotorClient[Document]":
    """Make a client, which does no I/O before it is used.

    Args:
        url: A URL from :func:`checked_url`.
        options: The options from there.

    Raises:
        ValueError: If the driver does not take the URL.
    """
    try:
        return AsyncIOMotorClient(url, **options)
    except (PyMongoError, ValueError, TypeError, OSError) as error:
        problem = problem_of(error)
    raise ValueError(f"the MongoDB URL cannot be used: {problem}")


def collection_of(client: AnyClient, database: str, name: str) -> AnyCollection:
    """Return a collection whose loads see every store before them, whatever the client's settings.

    Raises:
        ValueError: If one of the names is not usable.
    """
    try:
        return client[database].get_collection(
            name,
            codec_options=CODEC_OPTIONS,
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


def default_database(client: AnyClient) -> str:
    """Return the name of the database in the client's URL.

    Raises:
        ValueError: If there is none.
    """
    try:
        return client.get_default_database().name
    except PyMongoError:
        pass
    raise ValueError("no database is named, neither by the URL nor by the argument database")


def check_name(option: str, name: str) -> None:
    """Check the type of a database's or collection's name; the driver checks its characters.

    Raises:
        TypeError: If it is no str.
        ValueError: If it cannot be sent.
    """
    if not isinstance(name, str):
        raise TypeError(f"{option} must be a str, not {type(name).__name__}")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{option} must not contain lone surrogates") from None


def checked_url(url: str) -> tuple[str, dict[str, Any]]:
    """Return a URL for the driver, and the options that it leaves to us.

    Raises:
        TypeError: If it is no str.
        ValueError: If it is no usable URL; the message shows nothing of it.
    """
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
        problem = problem_of(error)
    if problem is not None:
        raise ValueError(f"the MongoDB URL cannot be used: {problem}")
    options = {name: value for name, value in _OPTIONS.items() if name.lower() not in given}
    return f"{scheme}://{rest}", options


def hosts_of(url: str) -> str:
    """Return the part of a URL that may be shown."""
    authority = re.split("[/?]", url.partition("://")[2])[0]
    return authority.rpartition("@")[2]
