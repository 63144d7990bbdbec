"""What the official JavaScript adapter does."""

import json


class Node:
    """What the official JavaScript adapter does."""

    def __init__(self, namespace):
        self._namespace = namespace

    async def store(self, session):
        await self._namespace.put(session.id, json.dumps(session.to_property_array(True)))
        await self._write(session.shop, [*await self.ids(session.shop), session.id])

    async def delete(self, session):
        await self._write(
            session.shop, [id for id in await self.ids(session.shop) if id != session.id]
        )
        await self._namespace.delete(session.id)

    async def find(self, shop):
        """Return the ids found, None for each undefined."""
        found = [(id, await self._namespace.get(id)) for id in await self.ids(shop)]
        return [None if text is None else id for id, text in found]

    async def ids(self, shop):
        return json.loads(await self._namespace.get(f"shop:{shop}") or "[]")

    async def _write(self, shop, ids):
        await self._namespace.put(f"shop:{shop}", json.dumps(ids))
