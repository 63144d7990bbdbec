"""From groups of calls to an adapter's hooks, and back to each call."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from shopify_session_storage.attempts import attempt
from shopify_session_storage.grouping import Lane
from shopify_session_storage.groups import Group, Kind
from shopify_session_storage.hooks import AdapterHooks
from shopify_session_storage.pages import SessionPage
from shopify_session_storage.session import Session
from shopify_session_storage.stored import copy_session, is_same_write


@dataclass(frozen=True)
class Lanes:
    """The lanes of a storage that is open."""

    loading: Lane
    finding: Lane
    writing: Lane
    leasing: Lane
    scanning: Lane
    pinging: Lane

    async def drain(self) -> None:
        """Wait until nothing is under way or waiting in any of them."""
        for lane in vars(self).values():
            await lane.drain()


class GroupedCalls(AdapterHooks):
    """The kinds of calls, and what each asks of the hooks for a group."""

    _failures: tuple[type[Exception], ...]

    def __init__(self) -> None:
        self._loads = Kind(self._send_loads, share=copy_session)
        self._finds = Kind(self._send_finds, share=_copy_sessions)
        self._stores = Kind(self._send_stores)
        self._deletes = Kind(self._send_deletes)
        self._comparisons = Kind(self._send_comparison, alone=True)
        self._compared_deletes = Kind(self._send_compared_deletes, merges=False)
        self._acquisitions = Kind(self._send_acquisition, alone=True)
        self._releases = Kind(self._send_release, alone=True)
        self._scans = Kind(self._send_scan, alone=True)
        self._drops = Kind(self._send_drop, alone=True)
        self._pings = Kind(self._send_pings)
        self._lanes: Lanes

    def _opened_state(self) -> Lanes:
        """Return the lanes of a storage that has just been opened."""
        self._lanes = Lanes(
            loading=self._lane(),
            finding=self._lane(items=self.max_group_shops),
            writing=self._lane(writes=True),
            leasing=self._lane(writes=True),
            scanning=self._lane(),
            pinging=self._lane(),
        )
        return self._lanes

    def _lane(self, *, writes: bool = False, items: int | None = None) -> Lane:
        groups = self.max_write_groups if writes else None
        return Lane(
            groups=groups or self.max_groups,
            slow_groups=self.max_slow_groups,
            items=items or self.max_group_items,
            size=self.max_group_bytes,
            seconds=self._seconds,
            writes=writes,
            verdict=self._verdict_of,
        )

    async def _drain(self) -> None:
        await self._lanes.drain()

    async def _send_loads(self, group: Group) -> Mapping[str, Session]:
        sessions = await attempt(self, group, self._load, list(group.values))
        # By the id in the row, never by position: nobody can get another shop's token.
        return {session.id: session for session in sessions}

    async def _send_finds(self, group: Group) -> Mapping[str, list[Session]]:
        sessions: dict[str, list[Session]] = {shop: [] for shop in group.values}
        for session in await attempt(self, group, self._find, list(group.values)):
            if session.shop in sessions:  # compared exactly, whatever the backend does
                sessions[session.shop].append(session)
        return sessions

    async def _send_stores(self, group: Group) -> Mapping[str, None]:
        # Sorted, so that two processes never lock the same rows in opposite orders.
        await attempt(self, group, self._store, [group.values[id] for id in sorted(group.values)])
        return {}

    async def _send_deletes(self, group: Group) -> Mapping[str, None]:
        # One call may have more ids than a group; it keeps its place until all are deleted.
        remaining = iter(sorted(group.values))
        while ids := list(islice(remaining, self.max_group_items)):
            await attempt(self, group, self._delete, ids)
        return {}

    async def _send_comparison(self, group: Group) -> Mapping[str, bool]:
        ((id, pair),) = group.values.items()
        return {id: await attempt(self, group, self._compare, pair, again=self._compare_again)}

    async def _compare(self, pair: tuple[Session, Session | None]) -> bool:
        return await self._compare_and_store(*pair)

    async def _compare_again(self, pair: tuple[Session, Session | None]) -> bool:
        session, _ = pair
        if await self._compare(pair):
            return True
        # The first try may have taken effect before its connection was lost.
        return is_same_write(await self._load_one(session.id), session)

    async def _send_compared_deletes(self, group: Group) -> Mapping[str, bool]:
        expected = [group.values[id] for id in sorted(group.values)]
        others = set(await attempt(self, group, self._compare_and_delete, expected))
        return {id: id not in others for id in group.values}

    async def _send_acquisition(self, group: Group) -> Mapping[str, bool]:
        ((name, (holder, milliseconds)),) = group.values.items()
        return {
            name: await attempt(
                self, group, lambda _: self._acquire_lease(name, holder, milliseconds), None
            )
        }

    async def _send_release(self, group: Group) -> Mapping[str, None]:
        ((name, holder),) = group.values.items()
        await attempt(self, group, lambda _: self._release_lease(name, holder), None)
        return {}

    async def _send_scan(self, group: Group) -> Mapping[str, SessionPage]:
        ((after, batch),) = group.values.values()
        page = await attempt(self, group, lambda _: self._scan(after, batch), None)
        return dict.fromkeys(group.values, page)

    async def _send_drop(self, group: Group) -> Mapping[str, str | None]:
        ((after, batch),) = group.values.values()
        rest = await attempt(self, group, lambda _: self._drop_dangling(after, batch), None)
        return dict.fromkeys(group.values, rest)

    async def _send_pings(self, group: Group) -> Mapping[str, None]:
        await attempt(self, group, lambda _: self._ping(), None)
        return {}


def _copy_sessions(sessions: list[Session]) -> list[Session]:
    return [copy_session(session) for session in sessions]
