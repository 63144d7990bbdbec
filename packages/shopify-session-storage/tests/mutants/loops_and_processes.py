"""Storages with one behaviour broken each: event loops, threads, processes."""

import asyncio

from .breaking import breaks
from .file_storage import FileStorage
from .storages import DictStorage, OpeningStorage


@breaks("second_running_loop_is_served_or_refused")
class AssertsThatThereIsOneLoop(OpeningStorage):
    def enter(self):
        try:
            super().enter()
        except RuntimeError:
            raise AssertionError("open") from None


@breaks("second_running_loop_is_served_or_refused")
class RefusesWithoutTellingWhy(OpeningStorage):
    def enter(self):
        try:
            super().enter()
        except RuntimeError:
            raise RuntimeError("Task got Future attached to a different loop") from None


@breaks("second_running_loop_is_served_or_refused")
class RefusesInManyWords(OpeningStorage):
    refused = 0

    def enter(self):
        try:
            super().enter()
        except RuntimeError:
            self.refused += 1
            raise RuntimeError(f"in use on event loop {self.refused}") from None


@breaks("second_running_loop_is_served_or_refused")
class TheLastLoopTakesOver(OpeningStorage):
    """The first one is refused from then on."""

    left = frozenset()

    def enter(self):
        loop = asyncio.get_running_loop()
        if self.loop is not loop and loop in self.left:
            raise RuntimeError("in use on another running event loop")
        if self.loop is not loop:
            self.left = {*self.left, self.loop}
            self.loop, self.opening = loop, None


@breaks("new_loop_may_follow_one_that_has_ended")
class WaitsForADisconnectThatNeverComes(OpeningStorage):
    def enter(self):
        loop = asyncio.get_running_loop()
        if self.opening and self.loop is not loop:
            raise RuntimeError("in use on another running event loop")
        self.loop = loop


@breaks("threads_are_served_or_refused")
class NoticesASecondThreadTooLate(DictStorage):
    loop = None

    async def send(self, work, argument):
        self.loop = loop = asyncio.get_running_loop()
        await asyncio.sleep(0.001)
        if self.loop is not loop:
            raise ConnectionRefusedError("cannot start a transaction within a transaction")
        return await super().send(work, argument)


@breaks("forked_child_works")
class LivesInTheParentAlone(FileStorage):
    def enter(self):
        loop = asyncio.get_running_loop()
        if self.loop is not loop:
            if self.opening and not self.loop.is_closed():
                raise RuntimeError("in use on another running event loop")
            self.loop, self.opening = loop, None


@breaks("forked_child_works")
class ChildHasAFileOfItsOwn(FileStorage):
    """As an in-memory storage that does not say so."""

    async def send(self, work, argument):
        return await OpeningStorage.send(self, work, argument)
