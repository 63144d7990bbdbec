"""Clients of MongoDB: the URL, the driver's options, and how collections are read and written."""

import asyncio
import re
import threading
from datetime import UTC
from typing import Any, Final, TypeAlias

import pymongo
from bson.codec_options import CodecOptions, DatetimeConversion
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo import AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.common import URI_OPTIONS_VALIDATOR_MAP
from pymongo.errors import InvalidName, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import split_options
from shopify_session_storage import UrlParameters, normal_scheme

from shopify_session_storage_mongodb.documents import Document
from shopify_session_storage_mongodb.errors import problem_of

AnyClient: TypeAlias = "AsyncIOMotorClient[Document] | AsyncMongoClient[Document]"
AnyCollection: TypeAlias = "AsyncIOMotorCollection[Document] | AsyncCollection[Document]"

# The share of a call's time after which driver and server give up by themselves.
_SHARE: Final = 0.9

# How long making one connection may take, in seconds, if a call may take longer.
_CONNECT_SECONDS: Final = 5.0

# How long a good-bye may take, in seconds.
_CLOSE_SECONDS: Final = 1.0

# Parameters that Node's driver knows by a shorter name than PyMongo, in lower case.
_LONGER: Final = {"j": "journal", "wtimeout": "wtimeoutms"}

# Parameters that Node's driver and Mongoose know, or knew, and PyMongo does not; without a meaning
# here.
_OF_NODE: Final = frozenset(
    {
        "autoreconnect", "family", "forceserverobjectid", "ignoreundefined", "keepalive",
        "keepaliveinitialdelay", "monitorcommands", "nodelay", "poolsize", "promotebuffers",
        "promotelongs", "promotevalues", "reconnectinterval", "reconnecttries",
        "usenewurlparser", "useunifiedtopology",
    }
)  # fmt: skip

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


def checked_url(url: str, seconds: float) -> tuple[str, dict[str, Any]]:
    """Return a URL for the driver, and the options that it leaves to us.

    Args:
        url: The URL.
        seconds: How long a call may take.

    Raises:
        TypeError: If it is no str.
        ValueError: If it is no usable URL; the message shows nothing of it but the name of a
            parameter.
    """
    if not isinstance(url, str):
        raise TypeError(
            "url must be a str, an AsyncIOMotorClient or an AsyncMongoClient, "
            f"not {type(url).__module__}.{type(url).__name__}"
        )
    url = normal_scheme(url)
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("mongodb", "mongodb+srv"):
        raise ValueError("a MongoDB URL is mongodb://user:password@host:port/database")
    address, mark, query = rest.partition("?")
    parameters = [one for one in re.split("[&;]", query) if one]
    names = [one.partition("=")[0].lower() for one in parameters]
    # An @ may stand in a name of the application's, as in the URLs of Azure Cosmos DB.
    if any("@" in one and name != "appname" for one, name in zip(parameters, names, strict=True)):
        raise ValueError("the user and the password in a MongoDB URL must be escaped")
    kept = [
        f"{_LONGER[name]}={one.partition('=')[2]}" if name in _LONGER else one
        for one, name in zip(parameters, names, strict=True)
        if name not in _OF_NODE
    ]
    _check_parameters("&".join(kept))
    patience = round(seconds * _SHARE * 1000)
    options = {
        "serverSelectionTimeoutMS": patience,
        "connectTimeoutMS": min(patience, round(_CONNECT_SECONDS * 1000)),
    }
    options = {name: value for name, value in options.items() if name.lower() not in names}
    return f"{scheme}://{address}{mark}{'&'.join(kept)}", options


def _check_parameters(query: str) -> None:
    """Refuse what the client itself would only warn of."""
    given = UrlParameters("MongoDB", query.lower())
    given.accept(*(name.lower() for name in URI_OPTIONS_VALIDATOR_MAP), *_LONGER)
    given.finish()
    for one in query.split("&") if query else ():
        if not _is_usable(one):
            name = one.partition("=")[0]
            raise ValueError(f"the parameter {name!r} of the MongoDB URL has no usable value")


def _is_usable(parameter: str) -> bool:
    try:
        split_options(parameter, normalize=False)
    except (PyMongoError, ValueError, TypeError):  # whose text would show the value
        return False
    return True


def server_seconds(client: AnyClient, seconds: float) -> float:
    """Return after how long driver and server give up by themselves.

    Args:
        client: The client, with options of its user's.
        seconds: How long a call may take.
    """
    options: Any = client.options  # Motor's stubs have it as a function, too
    own: list[float | None] = [options.timeout, options.pool_options.socket_timeout]
    return min([seconds * _SHARE, *(limit for limit in own if limit)])


async def close(client: "AsyncIOMotorClient[Document]") -> None:
    """Close a client, after a good-bye to the server, without holding up the event loop."""
    with pymongo.timeout(_CLOSE_SECONDS):
        await asyncio.to_thread(client.close)


def drop(client: "AsyncIOMotorClient[Document]") -> None:
    """Close a client without waiting for that: its server may be silent."""
    threading.Thread(target=client.close, name="mongodb-close", daemon=True).start()


def hosts_of(url: str) -> str:
    """Return the part of a URL that may be shown."""
    authority = re.split("[/?]", url.partition("://")[2])[0]
    return authority.rpartition("@")[2]
