"""A scripted storage whose only place is taken, so that calls have to wait."""

from shopify_session_storage.testing.sessions import offline_session

from .scripted import ScriptedStorage, settle, spawn

SHOP = "a.myshopify.com"


def session(id, **changes):
    return offline_session(SHOP, id=id, **changes)


async def opened(**settings):
    storage = ScriptedStorage(**settings)
    await storage.ready()
    storage.calls.clear()
    return storage


async def occupied(hook, **settings):
    """A storage with its only place taken by a call that is held until the gate opens."""
    storage = await opened(**settings)
    gate = storage.hold(hook)
    call = {
        "load": lambda: storage.load_session("first"),
        "store": lambda: storage.store_session(session("first")),
        "delete": lambda: storage.delete_session("first"),
        "find": lambda: storage.find_sessions_by_shop("first.myshopify.com"),
    }[hook]
    [first] = spawn(call())
    await settle()
    return storage, gate, first
