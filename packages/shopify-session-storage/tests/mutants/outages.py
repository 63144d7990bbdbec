"""Storages with one behaviour broken each: outages."""

from .breaking import breaks
from .storages import DictStorage


@breaks("is_ready_tells_that_the_backend_is_away")
class IsReadyOnceItWas(DictStorage):
    """Connects, but does not ask whether the backend is still there."""

    connected = False

    async def ready(self):
        if not self.connected:
            await super().ready()
        self.connected = True


@breaks("calls_fail_by_the_policy_while_the_backend_is_away")
class TakesAnOutageForAnEmptyBackend(DictStorage):
    async def send(self, work, argument):
        if self.backend.away and work == self.get:
            return None
        return await super().send(work, argument)


@breaks("calls_fail_by_the_policy_while_the_backend_is_away")
class ComparesNothingWithNothing(DictStorage):
    """Takes an outage for a session that is not there."""

    async def compare_and_store(self, session, expected):
        return not self.backend.away and await super().compare_and_store(session, expected)


@breaks("works_again_when_the_backend_is_back")
class StaysAway(DictStorage):
    gone = False

    async def send(self, work, argument):
        self.gone = self.gone or self.backend.away
        if self.gone:
            raise ConnectionRefusedError("nobody there")
        return await super().send(work, argument)


@breaks("lost_connections_are_replaced")
class FirstFailsOnItsLostConnection(DictStorage):
    connection = 0

    async def send(self, work, argument):
        if self.connection != self.backend.outages:
            self.connection = self.backend.outages
            raise ConnectionRefusedError("the connection was closed")
        return await super().send(work, argument)
