"""Leases: documents of a collection of their own, by the server's clock."""

from pymongo.errors import DuplicateKeyError

from shopify_session_storage_mongodb.client import CODEC_OPTIONS, AnyCollection


async def acquire_lease(
    collection: AnyCollection, name: str, holder: str, milliseconds: int
) -> bool:
    """Take or renew a lease, and tell whether *holder* has it. Two round trips."""
    # The server's clock. An update that asks for it needs a newer server than all the rest.
    hello = await collection.database.command("hello", codec_options=CODEC_OPTIONS)
    now = round(hello["localTime"].timestamp() * 1000)
    try:
        await collection.update_one(
            {"_id": name, "$or": [{"holder": holder}, {"expires": {"$lte": now}}]},
            {"$set": {"holder": holder, "expires": now + milliseconds}},
            upsert=True,
        )
    except DuplicateKeyError:  # it is there, but another holder's
        return False
    return True


async def release_lease(collection: AnyCollection, name: str, holder: str) -> None:
    """Give up a lease if *holder* has it."""
    await collection.delete_one({"_id": name, "holder": holder})
