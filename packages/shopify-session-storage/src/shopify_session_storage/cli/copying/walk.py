"""Walking through the source, page by page, once to copy and once to verify."""

from collections.abc import AsyncIterator

from shopify_session_storage.cli.copying.counts import Counts
from shopify_session_storage.cli.copying.lease import CopyLease
from shopify_session_storage.cli.copying.pages import PageCopier
from shopify_session_storage.cli.copying.reading import patient_pages
from shopify_session_storage.cli.copying.rules import OnConflict
from shopify_session_storage.cli.copying.state import State, StateFile
from shopify_session_storage.cli.exits import Exit, Stop
from shopify_session_storage.cli.printing import Output
from shopify_session_storage.cli.progress import Rate
from shopify_session_storage.errors import SessionStorageError
from shopify_session_storage.pages import SessionPage
from shopify_session_storage.storage import SessionStorage


class Copy:
    """One run of a copy.

    Args:
        source: What is read.
        target: What is written.
        state: How far it has come.
        file: Where that is kept; None to keep it nowhere.
        on_conflict: Which version of a session stays.
        output: Where to show progress.
    """

    def __init__(
        self,
        source: SessionStorage,
        target: SessionStorage,
        state: State,
        file: StateFile | None,
        on_conflict: OnConflict,
        output: Output,
    ) -> None:
        self._source = source
        self._target = target
        self._state = state
        self._file = file
        self._on_conflict = on_conflict
        self._output = output
        self._lease = CopyLease(target, state)

    async def begin(self, *, live: bool, is_new: bool) -> None:
        """Take the lease, and decide whether every write has to be compared.

        Raises:
            Stop: If another command has the lease, or the state cannot be kept.
        """
        await self._lease.take()
        if not self._lease.is_kept:
            self._output.say(
                "the target keeps no leases: make sure that no other command copies into it"
            )
        if is_new:
            self._state.live = not await is_empty(self._target)
        self._state.live = self._state.live or live
        self._save()

    async def end(self) -> None:
        """Give up the lease."""
        await self._lease.give_up()

    async def run(self, *, verify: bool, dry_run: bool = False) -> None:
        """Copy, and verify.

        Args:
            verify: Whether to walk through the source again.
            dry_run: Whether to write nothing, and count only.

        Raises:
            Stop: If another command has the lease by now, or the state cannot be kept.
            SessionStorageError: If one of the storages failed.
        """
        state = self._state
        if not state.is_checking:
            await self._walk("looked at" if dry_run else "copied", state.copying, dry_run)
            state.is_checking, state.after = True, None
            self._save()
        if verify:
            await self._walk("verified", state.checking)

    async def _walk(self, done: str, counts: Counts, dry_run: bool = False) -> None:
        state, rate = self._state, Rate()
        copier = PageCopier(
            self._target, self._on_conflict, live=state.live or state.is_checking, dry_run=dry_run
        )
        async for page in self._pages():
            if not dry_run:
                await self._lease.renew()
            before = counts.seen
            if state.is_checking:
                await copier.check(page, counts)
            else:
                await copier.copy(page, counts)
            speed = rate.add(counts.seen - before)
            of = f" of {state.copying.seen:,}" if state.is_checking else ""
            self._output.progress.show(f"{counts.seen:,}{of} {done}, {speed:,.0f}/s")
            if page.after is not None:
                # Only now, since everything up to there is durable.
                state.after = page.after
                self._save()
        self._output.progress.clear()

    async def _pages(self) -> AsyncIterator[SessionPage]:
        try:
            async for page in patient_pages(self._source, self._state.after):
                yield page
        except ValueError as error:
            if isinstance(error, SessionStorageError):
                raise
            reason = "the saved position does not fit this source; remove the file to start again"
            raise Stop(reason, Exit.USAGE) from None

    def _save(self) -> None:
        if self._file is not None:
            self._file.write(self._state)


async def is_empty(storage: SessionStorage) -> bool:
    """Tell whether a storage surely holds no session."""
    try:
        async for page in storage.scan_sessions(batch=1):
            if page.sessions or page.corrupt:
                return False
    except NotImplementedError:
        return False
    return True
