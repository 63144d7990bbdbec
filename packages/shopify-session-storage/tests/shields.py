"""asyncio.shield() as Python 3.14 has it, on older ones, too."""

import asyncio


def watch_shields(monkeypatch):
    """Return a list of what the event loop is told about by shields whose callers are cancelled."""
    told = []
    shield = asyncio.shield

    def telling(inner):
        outer = shield(inner)
        outer.add_done_callback(lambda outer: outer.cancelled() and inner.add_done_callback(tell))
        return outer

    def tell(inner):
        if not inner.cancelled() and inner.exception() is not None:
            told.append(inner.exception())

    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    monkeypatch.setattr(asyncio, "shield", telling)
    return told
