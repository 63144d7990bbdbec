"""An adapter that does what the test tells it: it tests what core itself does, no backend."""

import asyncio
from collections import defaultdict
from datetime import timedelta

from shopify_session_storage import BaseSessionStorage
from shopify_session_storage.stored import copy_session


class DriverError(Exception):
    """Any failure of the driver."""


class ConnectionLostError(DriverError):
    """A failure that is repeated once."""


class DataError(DriverError):
    """A failure that can be the fault of one session."""


class ConflictError(DriverError):
    """A failure that another transaction causes."""


class ScriptedStorage(BaseSessionStorage):
    """Records the calls of its hooks, holds them and fails them as told.

    Attributes:
        calls: Each call of a hook: its name and its argument (ids for sessions).
        errors: For each hook the errors of its next calls; None for none.
        failing: For each hook what decides, given its argument, on an error for each call.
        under_way: The calls that have begun and not ended.
    """

    backend = "scripted"
    driver_errors = (DriverError,)
    connection_errors = (ConnectionLostError,)
    conflict_errors = (ConflictError,)
    data_errors = (DataError,)
    max_groups = 1

    def __init__(self, *, on_error="raise", timeout=timedelta(seconds=10), **settings):
        super().__init__(on_error=on_error, timeout=timeout)
        for name, value in settings.items():
            assert hasattr(self, name)
            setattr(self, name, value)
        self.rows = {}
        self.calls = []
        self.errors = defaultdict(list)
        self.failing = {}
        self.under_way = []
        self.gates = {}
        self.connected = False
        self.scrubbed = []

    def hold(self, hook):
        """Hold the calls of a hook until the event that is returned is set."""
        return self.gates.setdefault(hook, asyncio.Event())

    def count(self, hook):
        return len(self.arguments(hook))

    def arguments(self, hook):
        return [argument for name, argument in self.calls if name == hook]

    async def scripted(self, hook, argument=None, work=None):
        self.calls.append((hook, argument))
        call = (hook, argument)
        self.under_way.append(call)
        try:
            if hook in self.gates:
                await self.gates[hook].wait()
            error = self.errors[hook].pop(0) if self.errors[hook] else None
            if error is None and hook in self.failing:
                error = self.failing[hook](argument)
            if error is not None:
                raise error
            return None if work is None else work()
        finally:
            self.under_way.remove(call)

    async def _open(self):
        await self.scripted("open")
        self.connected = True

    async def _close(self):
        await self.scripted("close")
        self.connected = False

    async def _load(self, ids):
        return await self.scripted("load", list(ids), lambda: self.stored(ids))

    def stored(self, ids):
        return [copy_session(self.rows[id]) for id in ids if id in self.rows]

    async def _store(self, sessions):
        ids = [session.id for session in sessions]
        rows = dict(zip(ids, sessions, strict=True))
        await self.scripted("store", ids, lambda: self.rows.update(rows))

    async def _delete(self, ids):
        def delete():
            for id in ids:
                self.rows.pop(id, None)

        await self.scripted("delete", list(ids), delete)

    async def _find(self, shops):
        return await self.scripted(
            "find",
            list(shops),
            lambda: [copy_session(row) for row in self.rows.values() if row.shop in shops],
        )

    async def _ping(self):
        await self.scripted("ping")

    async def _recover(self):
        await self.scripted("recover")

    def _abandon(self):
        self.calls.append(("abandon", None))
        self.connected = False

    def _describe(self, error):
        return f"{type(error).__name__} no. 7"

    def _scrub(self, error):
        self.scrubbed.append(error)
        error.args = tuple("..." for _ in error.args)


async def settle(rounds=20):
    """Let everything run that can."""
    for _ in range(rounds):
        await asyncio.sleep(0)


def spawn(*calls):
    return [asyncio.ensure_future(call) for call in calls]
