"""What the tests ask of either side."""


def sides(writer, javascript, python):
    """Return the side that writes, and the other one."""
    return (javascript, python) if writer == "JavaScript" else (python, javascript)


async def found_ids(storage, shop):
    """Return the ids of the sessions of a shop."""
    # The official KV adapter lists an id once for each time it was stored, and what is gone.
    return {one.id for one in await storage.find_sessions_by_shop(shop) if one is not None}
