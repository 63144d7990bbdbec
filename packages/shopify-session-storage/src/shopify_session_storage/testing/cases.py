"""The cases of the battery: every promise of the contract, each a plain async function.

A case gets a :class:`Subject` and raises an AssertionError that says how the promise is broken.
"""

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any, Literal, TypeVar

from shopify_session_storage.errors import (
    InvalidSessionError,
    SessionStorageError,
    SessionStorageUnavailableError,
)
from shopify_session_storage.session import AssociatedUser, OnlineAccessInfo, Session
from shopify_session_storage.storage import SessionStorage
from shopify_session_storage.testing.sessions import (
    EXPIRES,
    offline_session,
    online_session,
    unique,
)

_T = TypeVar("_T")
StorageFactory = Callable[[], SessionStorage | Awaitable[SessionStorage]]
FailingStorageFactory = Callable[
    [Literal["log", "raise"]], SessionStorage | Awaitable[SessionStorage]
]
Need = Literal["further", "failing", "another_loop", "conditional_writes", "leases"]


@dataclass(frozen=True)
class Case:
    """One promise and how to test it.

    Attributes:
        name: Its name.
        promise: What is promised.
        run: Raises an AssertionError if the promise is broken.
        needs: What it cannot run without: a factory for further storages, one for storages that
            fail, a storage that is not bound to its event loop, or one whose conditional writes
            or leases are those of the backend.
    """

    name: str
    promise: str
    run: Callable[["Subject"], Awaitable[None]]
    needs: tuple[Need, ...]


# How long to wait for the end of a lease of some milliseconds; longer than any machine may need.
_PATIENCE_SECONDS = 20.0

CASES: list[Case] = []
"""All cases, in order."""


class Subject:
    """The storage under test, and what cases need besides.

    Args:
        storage: The storage under test.
        storage_factory: Makes a further storage on the same backend.
        failing_storage_factory: Makes a storage whose backend cannot be reached.
        eventual_seconds: How long the backend may take until finds see a change.
        owned: Whether to disconnect the storage after the case.
    """

    def __init__(
        self,
        storage: SessionStorage,
        *,
        storage_factory: StorageFactory | None = None,
        failing_storage_factory: FailingStorageFactory | None = None,
        eventual_seconds: float = 0.0,
        owned: bool = False,
    ) -> None:
        self.storage = storage
        self._storage_factory = storage_factory
        self._failing_storage_factory = failing_storage_factory
        self._eventual_seconds = eventual_seconds
        self._shops: list[str] = []
        self._owned = [storage] if owned else []

    def has(self, need: Need) -> bool:
        """Tell whether what a case needs is there."""
        there: dict[Need, object] = {
            "further": self._storage_factory,
            "failing": self._failing_storage_factory,
            "conditional_writes": self.storage.conditional_writes == "backend" or None,
            "leases": self.storage.leases == "backend" or None,
        }
        return need not in there or there[need] is not None

    def shop(self, prefix: str = "shop") -> str:
        """Return a shop that no other test uses. Its sessions are deleted after the case."""
        shop = f"{unique(prefix)}.myshopify.com"
        self._shops.append(shop)
        return shop

    def clean(self, shop: str) -> str:
        """Have the sessions of this shop, too, deleted after the case."""
        self._shops.append(shop)
        return shop

    async def further(self) -> SessionStorage:
        """Make a further storage on the same backend; it is disconnected after the case."""
        assert self._storage_factory is not None
        return self._own(await made_by(self._storage_factory))

    async def failing(self, on_error: Literal["log", "raise"]) -> SessionStorage:
        """Make a storage whose backend cannot be reached."""
        assert self._failing_storage_factory is not None
        made = self._failing_storage_factory(on_error)
        return self._own(await made if inspect.isawaitable(made) else made)

    def _own(self, storage: SessionStorage) -> SessionStorage:
        if storage not in (self.storage, *self._owned):  # a factory may give one many times
            self._owned.append(storage)
        return storage

    async def stores(self, *sessions: Session) -> None:
        """Store sessions, one after the other."""
        for session in sessions:
            result = await self.storage.store_session(session)
            _same(result, True, f"store_session({session.id!r})")

    async def loads(self, *sessions: Session, by: SessionStorage | None = None) -> None:
        """Load each session and compare it with what was stored."""
        for session in sessions:
            loaded = await (by or self.storage).load_session(session.id)
            _equal(loaded, session, f"load_session({session.id!r})")

    async def finds(
        self, shop: str, sessions: Iterable[Session], by: SessionStorage | None = None
    ) -> list[Session]:
        """Find the sessions of a shop, and compare them with what was stored, in any order."""
        expected = {session.id: session for session in sessions}
        deadline = time.monotonic() + self._eventual_seconds
        while True:
            found = await (by or self.storage).find_sessions_by_shop(shop)
            try:
                what = f"find_sessions_by_shop({shop!r})"
                _true(isinstance(found, list), f"{what} returned {type(found).__name__}")
                ids = sorted(session.id for session in found)
                _same(ids, sorted(expected), f"the ids of {what}")
                for session in found:
                    _equal(session, expected[session.id], what)
            except AssertionError:
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(0.05)
            else:
                return found

    async def run(self, case: Case) -> None:
        """Run a case and clean up after it. A failure has the case's name and promise as a note."""
        try:
            try:
                await _checked(case.run(self))
            except Exception:
                # Cleaning up may fail for the same reason, which then says less.
                with suppress(Exception):
                    await _checked(self.clean_up())
                raise
            await _checked(self.clean_up())
        except Exception as error:
            error.add_note(f"case {case.name}: {case.promise}")
            raise

    async def clean_up(self) -> None:
        """Delete what the case stored, and disconnect what it made."""
        try:
            for shop in self._shops:
                found = await self.storage.find_sessions_by_shop(shop)
                await self.storage.delete_sessions([session.id for session in found])
        finally:
            for storage in self._owned:
                await storage.disconnect()


async def made_by(factory: StorageFactory) -> SessionStorage:
    """Call a factory, plain or async."""
    made = factory()
    return await made if inspect.isawaitable(made) else made


def case(*needs: Need) -> Callable[[Callable[[Subject], Awaitable[None]]], Any]:
    """Make a function a case; its docstring is the promise."""

    def add(function: Callable[[Subject], Awaitable[None]]) -> Callable[[Subject], Awaitable[None]]:
        promise = " ".join((function.__doc__ or "").split())
        CASES.append(Case(function.__name__, promise, function, needs))
        return function

    return add


# --- what comes back ------------------------------------------------------------------------------


@case()
async def offline_session_comes_back(subject: Subject) -> None:
    """An offline session comes back as it was stored, with every field."""
    session = offline_session(subject.shop())
    await subject.stores(session)
    await subject.loads(session)


@case()
async def online_session_comes_back(subject: Subject) -> None:
    """An online session comes back as it was stored, with its user."""
    session = online_session(subject.shop())
    await subject.stores(session)
    await subject.loads(session)


@case()
async def bare_session_comes_back(subject: Subject) -> None:
    """A session with nothing but the required fields comes back without the others."""
    shop = subject.shop()
    session = Session(id=f"offline_{shop}", shop=shop, state="", is_online=False)
    await subject.stores(session)
    await subject.loads(session)
    loaded = await subject.storage.load_session(session.id)
    assert loaded is not None
    for name in ("scope", "expires", "access_token", "refresh_token", "online_access_info"):
        _same(getattr(loaded, name), None, f"{name} of a session without it")


@case()
async def online_session_always_has_user_info(subject: Subject) -> None:
    """An online session always comes back with an OnlineAccessInfo, also if it had none."""
    session = online_session(subject.shop(), online_access_info=None)
    await subject.stores(session)
    loaded = await subject.storage.load_session(session.id)
    _true(
        loaded is not None and loaded.online_access_info == OnlineAccessInfo(),
        "an online session without user data came back without an empty OnlineAccessInfo",
    )


@case()
async def user_data_of_offline_session_is_not_kept(subject: Subject) -> None:
    """User data of an offline session is not kept."""
    shop = subject.shop()
    session = offline_session(shop, online_access_info=OnlineAccessInfo(AssociatedUser(id=7)))
    await subject.stores(session)
    await subject.loads(replace(session, online_access_info=None))


@case()
async def partial_user_comes_back(subject: Subject) -> None:
    """What is not known of a user stays unknown, and each flag is true, false or unknown."""
    shop = subject.shop()
    users = [
        AssociatedUser(id=1),
        AssociatedUser(id=2, email_verified=False, account_owner=False, collaborator=False),
        AssociatedUser(id=3, email_verified=True, account_owner=True, collaborator=True),
        AssociatedUser(id=4, first_name="Ada", locale="zh-Hant-TW"),
        AssociatedUser(email="no-id@shop.example"),
    ]
    sessions = [
        online_session(shop, number, online_access_info=OnlineAccessInfo(user))
        for number, user in enumerate(users)
    ]
    await subject.stores(*sessions)
    await subject.loads(*sessions)
    for session in sessions:
        loaded = await subject.storage.load_session(session.id)
        assert loaded is not None
        assert loaded.online_access_info is not None
        assert session.online_access_info is not None
        _same(
            loaded.online_access_info.associated_user,
            session.online_access_info.associated_user,
            "the user",
        )


@case()
async def empty_strings_are_kept(subject: Subject) -> None:
    """Empty strings come back as empty strings, not as None."""
    shop = subject.shop()
    offline = offline_session(shop, state="", scope="", access_token="", refresh_token="")
    user = AssociatedUser(id=1, first_name="", last_name="", email="", locale="")
    online = online_session(shop, 1, scope="", online_access_info=OnlineAccessInfo(user))
    await subject.stores(offline, online)
    await subject.loads(offline, online)
    loaded = await subject.storage.load_session(offline.id)
    assert loaded is not None
    for name in ("state", "scope", "access_token", "refresh_token"):
        _same(getattr(loaded, name), "", name)


@case()
async def dates_come_back_in_utc(subject: Subject) -> None:
    """Dates come back timezone-aware in UTC, whatever zone they had, to the second at least."""
    zone = timezone(timedelta(hours=5, minutes=30))
    local = datetime(2031, 1, 2, 3, 4, 5, tzinfo=zone)
    session = offline_session(subject.shop(), expires=local, refresh_token_expires=local)
    await subject.stores(session)
    await subject.loads(session)
    loaded = await subject.storage.load_session(session.id)
    assert loaded is not None
    for date in (loaded.expires, loaded.refresh_token_expires):
        _same(date, local, "the date")
        _same(date and date.tzinfo, UTC, "the time zone")


@case()
async def early_and_late_dates_come_back(subject: Subject) -> None:
    """Dates from one second after the epoch to the year 9999 come back."""
    sessions = [
        offline_session(subject.shop(), expires=date, refresh_token_expires=date)
        for date in (
            datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
            datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC),
            datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
        )
    ]
    await subject.stores(*sessions)
    await subject.loads(*sessions)


@case()
async def milliseconds_are_never_rounded_up(subject: Subject) -> None:
    """A date comes back with its milliseconds or without them, never later than it was."""
    date = EXPIRES.replace(microsecond=999_000)
    session = offline_session(subject.shop(), expires=date, refresh_token_expires=date)
    await subject.stores(session)
    loaded = await subject.storage.load_session(session.id)
    assert loaded is not None
    for read in (loaded.expires, loaded.refresh_token_expires):
        _true(read in (date, EXPIRES), f"{date} came back as {read}")


@case()
async def user_ids_come_back_exactly(subject: Subject) -> None:
    """User ids from 0 to 2**53 - 1 come back exactly, as int."""
    shop = subject.shop()
    sessions = [online_session(shop, id) for id in (0, 1, 2**31 - 1, 2**31 + 5, 2**53 - 1)]
    await subject.stores(*sessions)
    await subject.loads(*sessions)
    for session in sessions:
        loaded = await subject.storage.load_session(session.id)
        assert loaded is not None
        assert loaded.online_access_info is not None
        kind = type(loaded.online_access_info.associated_user.id)
        _true(kind is int, f"a user's id came back as {kind.__name__}")


@case()
async def long_texts_come_back(subject: Subject) -> None:
    """Long scopes and long (encrypted) tokens come back, up to 300 kB in all."""
    scope = ",".join(f"read_resource_{number}" for number in range(400))
    long = offline_session(subject.shop(), scope=scope, access_token="t" * 4000)
    longest = offline_session(subject.shop(), scope=None, access_token="é" * 149_000)
    await subject.stores(long, longest)
    await subject.loads(long, longest)


@case()
async def any_unicode_comes_back(subject: Subject) -> None:
    """Any Unicode but NUL and lone surrogates comes back in every text."""
    texts = [
        'José "Pepe" O\'Neil \\ \\n `',
        "名前 😀👩‍💻\tTab\nNewline\r %_$1 ${x} -- ;",
        "\x01\x7f\ufeff\uffff",
    ]
    shop = subject.shop()
    sessions = []
    for number, text in enumerate(texts):
        user = AssociatedUser(id=number, first_name=text, last_name=text, email=text, locale=text)
        sessions.append(
            online_session(
                shop,
                number,
                state=text,
                scope=text,
                access_token=text,
                refresh_token=text,
                online_access_info=OnlineAccessInfo(user),
            )
        )
    await subject.stores(*sessions)
    await subject.loads(*sessions)


# --- ids and shops --------------------------------------------------------------------------------


@case()
async def unknown_id_is_none(subject: Subject) -> None:
    """Loading an id under which nothing is stored gives None."""
    _same(await subject.storage.load_session(unique("unknown")), None, "an unknown session")


@case()
async def odd_ids_and_shops_work(subject: Subject) -> None:
    """Ids and shops with any characters work: quotes, wildcards, slashes, spaces, emoji."""
    mark = unique("odd")
    names = [
        f"{mark}:id_100%_50%25/ünï-✓ 'single' \"double\" `back` \\back 😀",
        f" {mark} ",
        f"../{mark}/../*?[a]#{{x}}",
        f"{mark}'; DROP TABLE shopify_sessions; --",
        f"{mark}\n\t\x01",
        f"{mark}__proto__",
    ]
    for name in names:
        session = offline_session(subject.clean(f"{name}.example"), id=name)
        await subject.stores(session)
        await subject.loads(session)
        await subject.finds(session.shop, [session])
        _same(await subject.storage.delete_session(name), True, f"delete_session({name!r})")
        _same(await subject.storage.load_session(name), None, "a deleted session")
        await subject.finds(session.shop, [])


@case()
async def longest_ids_and_shops_work(subject: Subject) -> None:
    """Ids and shops of 255 characters and of 500 bytes of UTF-8 work."""
    mark = unique("long")
    for filler, characters in (("x", 255), ("é", 255 - 10), ("😀", 36 + 115)):
        name = (mark + filler * 255)[: min(characters, 255)]
        while len(name.encode()) > 500:
            name = name[:-1]
        shop = subject.clean(name[:-1] + "s")
        session = offline_session(shop, id=name)
        await subject.stores(session)
        await subject.loads(session)
        await subject.finds(shop, [session])


@case()
async def ids_are_compared_exactly(subject: Subject) -> None:
    """Ids that differ in case, accents, spaces at the end or emoji are different ids."""
    shop = subject.shop()
    mark = unique("exact")
    ids = [f"{mark}{end}" for end in ("abc", "AbC", "äbc", "abc ", "abc😀", "abc🎉", "abc\u0301")]
    sessions = [offline_session(shop, id=id) for id in ids]
    await subject.stores(*sessions)
    await subject.loads(*sessions)
    await subject.finds(shop, sessions)
    await subject.storage.delete_session(ids[0])
    await subject.storage.delete_sessions([ids[3]])
    await subject.finds(shop, [*sessions[1:3], *sessions[4:]])


@case()
async def shops_are_compared_exactly(subject: Subject) -> None:
    """Shops that differ in case, accents, spaces at the end or emoji are different shops."""
    mark = unique("exact")
    ends = ("shop", "Shop", "shöp", "shop ", "shop😀", "shop🎉", "shop%", "sho_", "shop*")
    sessions = [offline_session(subject.clean(f"{mark}{end}")) for end in ends]
    await subject.stores(*sessions)
    for session in sessions:
        await subject.finds(session.shop, [session])


# --- storing again --------------------------------------------------------------------------------


@case()
async def upsert_replaces_everything(subject: Subject) -> None:
    """Storing replaces the whole session: a field that is absent now is absent afterwards."""
    shop = subject.shop()
    offline, online = offline_session(shop), online_session(shop)
    await subject.stores(offline, online)
    bare_offline = Session(id=offline.id, shop=shop, state="", is_online=False)
    info = OnlineAccessInfo(AssociatedUser(id=3))
    bare_online = Session(
        id=online.id, shop=shop, state="", is_online=True, online_access_info=info
    )
    await subject.stores(bare_offline, bare_online)
    await subject.loads(bare_offline, bare_online)
    await subject.finds(shop, [bare_offline, bare_online])


@case()
async def upsert_can_change_the_kind(subject: Subject) -> None:
    """An online session can be replaced by an offline one, and the other way round."""
    shop = subject.shop()
    online = online_session(shop)
    offline = offline_session(shop, id=online.id)
    for session in (online, offline, online):
        await subject.stores(session)
        await subject.loads(session)


@case()
async def upsert_moves_to_another_shop(subject: Subject) -> None:
    """A session that is stored again for another shop is found there, and there only."""
    old, new = subject.shop("old"), subject.shop("new")
    stays = online_session(old, 1)
    before, after = offline_session(old), offline_session(new, id=f"offline_{old}")
    await subject.stores(stays, before, after)
    await subject.loads(after)
    await subject.finds(new, [after])
    await subject.finds(old, [stays])
    await subject.storage.delete_session(after.id)
    await subject.finds(new, [])


@case()
async def storing_again_makes_no_duplicate(subject: Subject) -> None:
    """A session that is stored several times is found once."""
    session = offline_session(subject.shop())
    await subject.stores(session, session, session)
    await subject.finds(session.shop, [session])
    await subject.storage.delete_session(session.id)
    await subject.finds(session.shop, [])


# --- deleting -------------------------------------------------------------------------------------


@case()
async def delete_removes_the_session(subject: Subject) -> None:
    """A deleted session is neither loaded nor found, and the others of its shop stay."""
    shop = subject.shop()
    gone, stays = offline_session(shop), online_session(shop)
    await subject.stores(gone, stays)
    _same(await subject.storage.delete_session(gone.id), True, "delete_session")
    _same(await subject.storage.load_session(gone.id), None, "a deleted session")
    await subject.loads(stays)
    await subject.finds(shop, [stays])


@case()
async def deleting_what_is_missing_is_true(subject: Subject) -> None:
    """Deleting what does not exist is True, also among ids that do."""
    session = offline_session(subject.shop())
    await subject.stores(session)
    missing = unique("missing")
    _same(await subject.storage.delete_session(missing), True, "delete_session of a missing id")
    deleted = await subject.storage.delete_sessions([missing, session.id, unique("missing")])
    _same(deleted, True, "delete_sessions with missing ids")
    _same(await subject.storage.load_session(session.id), None, "a deleted session")


@case()
async def deleting_nothing_is_true(subject: Subject) -> None:
    """delete_sessions of no ids is True and deletes nothing."""
    session = offline_session(subject.shop())
    await subject.stores(session)
    nothings: tuple[Iterable[str], ...] = ([], (), set(), iter(()))
    for nothing in nothings:
        _same(await subject.storage.delete_sessions(nothing), True, "delete_sessions of nothing")
    await subject.loads(session)


@case()
async def delete_takes_any_iterable(subject: Subject) -> None:
    """delete_sessions takes any iterable of ids, with duplicates."""
    shop = subject.shop()
    sessions = [online_session(shop, user) for user in range(5)]
    await subject.stores(*sessions)
    ids = [session.id for session in sessions]
    _same(await subject.storage.delete_sessions(id for id in ids[:2] * 3), True, "a generator")
    await subject.finds(shop, sessions[2:])
    _same(await subject.storage.delete_sessions(set(ids[2:4])), True, "a set")
    await subject.finds(shop, sessions[4:])


@case()
async def delete_takes_ten_thousand_ids(subject: Subject) -> None:
    """delete_sessions of 10,000 ids works."""
    shop = subject.shop()
    gone = [online_session(shop, user) for user in range(50)]
    stays = offline_session(shop)
    await _all(subject.storage.store_session(session) for session in [*gone, stays])
    missing = [f"{shop}_missing_{number}" for number in range(9950)]
    ids = [*missing[:5000], *(session.id for session in gone), *missing[5000:]]
    _same(await subject.storage.delete_sessions(ids), True, "delete_sessions of 10,000 ids")
    await subject.finds(shop, [stays])


# --- finding --------------------------------------------------------------------------------------


@case()
async def unknown_shop_has_no_sessions(subject: Subject) -> None:
    """A shop without sessions gives an empty list."""
    await subject.finds(subject.shop("unknown"), [])


@case()
async def find_returns_all_of_the_shop(subject: Subject) -> None:
    """find_sessions_by_shop returns all sessions of the shop, offline and online, and no other."""
    shop, other = subject.shop(), subject.shop("other")
    sessions = [offline_session(shop), *(online_session(shop, user) for user in range(60))]
    await _all(subject.storage.store_session(session) for session in sessions)
    await subject.stores(offline_session(other))
    await subject.finds(shop, sessions)


@case()
async def find_has_no_cap(subject: Subject) -> None:
    """find_sessions_by_shop has no cap, whatever the number and size of the sessions (2 MB)."""
    shop = subject.shop()
    sessions = [online_session(shop, user, scope="s" * 5000) for user in range(400)]
    await _all(subject.storage.store_session(session) for session in sessions)
    await subject.finds(shop, sessions)
    ids = [session.id for session in sessions]
    _same(await subject.storage.delete_sessions(ids), True, "delete_sessions of 400 sessions")
    await subject.finds(shop, [])


# --- objects of one's own -------------------------------------------------------------------------


@case()
async def returned_sessions_are_the_callers_own(subject: Subject) -> None:
    """Changing a session that was returned, or that was stored, changes nothing stored."""
    session = online_session(subject.shop())
    kept = online_session(session.shop, access_token=session.access_token)
    await subject.stores(session)

    def spoil(session: Session | None) -> None:
        assert session is not None
        assert session.online_access_info is not None
        session.access_token = "spoilt"
        session.online_access_info.associated_user.email = "spoilt"

    spoil(session)
    await subject.loads(kept)
    spoil(await subject.storage.load_session(kept.id))
    await subject.loads(kept)
    spoil((await subject.finds(kept.shop, [kept]))[0])
    await subject.loads(kept)


@case()
async def concurrent_loads_share_no_object(subject: Subject) -> None:
    """Loads and finds at the same time give each caller an object of its own."""
    session = online_session(subject.shop())
    await subject.stores(session)
    await subject.finds(session.shop, [session])
    loaded = await _all(subject.storage.load_session(session.id) for _ in range(20))
    found = await _all(subject.storage.find_sessions_by_shop(session.shop) for _ in range(20))
    sessions = [*loaded, *(one for many in found for one in many)]
    for one in sessions:
        _equal(one, session, "one of many loads at once")
    infos = [one.online_access_info for one in sessions if one is not None]
    _same(len({id(one) for one in sessions}), 40, "the number of different sessions")
    _same(len({id(info) for info in infos}), 40, "the number of different users")


# --- bad arguments --------------------------------------------------------------------------------


@case()
async def wrong_types_raise_type_error(subject: Subject) -> None:
    """Arguments of the wrong type raise TypeError, also a bare str as ids."""
    storage: Any = subject.storage
    shop = subject.shop()
    wrong: list[tuple[str, Callable[[], Awaitable[Any]]]] = [
        ("store_session(None)", lambda: storage.store_session(None)),
        ("store_session({})", lambda: storage.store_session({})),
        ("load_session(None)", lambda: storage.load_session(None)),
        ("load_session(1)", lambda: storage.load_session(1)),
        ("load_session(b'')", lambda: storage.load_session(b"id")),
        ("delete_session(None)", lambda: storage.delete_session(None)),
        ("delete_sessions(None)", lambda: storage.delete_sessions(None)),
        ("delete_sessions('id')", lambda: storage.delete_sessions("id")),
        ("delete_sessions([1])", lambda: storage.delete_sessions([1])),
        ("find_sessions_by_shop(None)", lambda: storage.find_sessions_by_shop(None)),
    ]
    for name, value in (
        ("state", None),
        ("is_online", 1),
        ("scope", 1),
        ("access_token", b"token"),
        ("expires", 1),
        ("online_access_info", {}),
        ("online_access_info", OnlineAccessInfo(AssociatedUser(id="1"))),  # type: ignore[arg-type]
        ("online_access_info", OnlineAccessInfo(AssociatedUser(id=True))),
        ("online_access_info", OnlineAccessInfo(AssociatedUser(email=1))),  # type: ignore[arg-type]
    ):
        session = online_session(shop)
        setattr(session, name, value)
        wrong.append((f"{name}={value!r}", partial(storage.store_session, session)))
    for what, call in wrong:
        await _raises(TypeError, call, what)


@case()
async def unusable_ids_raise_value_error(subject: Subject) -> None:
    """Ids and shops that not every backend can keep raise ValueError and do no harm."""
    storage = subject.storage
    shop = subject.shop()
    session = offline_session(shop)
    await subject.stores(session)
    impossible = ["", "x" * 256, "é" * 251, "nul\0", "lone\ud800"]
    reserved = ["migrations", ".", "..", "shop:", f"shop:{shop}"]
    for id in [*impossible, *reserved]:
        await _raises(ValueError, partial(storage.load_session, id), f"load {id!r}")
        await _raises(ValueError, partial(storage.delete_session, id), f"delete {id!r}")
        await _raises(
            ValueError,
            partial(storage.delete_sessions, [session.id, id]),
            f"delete among others {id!r}",
        )
        await _raises(
            ValueError,
            partial(storage.store_session, offline_session(shop, id=id)),
            f"store {id!r}",
        )
    await _raises(
        ValueError,
        lambda: storage.store_session(offline_session(shop, id=shop)),
        "store under the shop as the id",
    )
    for other in impossible:
        await _raises(
            ValueError,
            partial(storage.find_sessions_by_shop, other),
            f"find {other!r}",
        )
        await _raises(
            ValueError,
            partial(storage.store_session, offline_session(other, id=unique("id"))),
            f"store for shop {other!r}",
        )
    await subject.loads(session)


@case()
async def unstorable_sessions_are_refused(subject: Subject) -> None:
    """A session that not every backend can keep raises InvalidSessionError; the old one stays."""
    shop = subject.shop()
    session = online_session(shop)
    await subject.stores(session)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    for name, value in (
        ("state", "nul\0"),
        ("scope", "lone\udfff"),
        ("access_token", "nul\0"),
        ("refresh_token", "lone\ud800"),
        ("access_token", "x" * 300_001),
        ("access_token", "é" * 150_001),
        ("expires", epoch),
        ("expires", epoch - timedelta(days=1)),
        ("expires", datetime(2030, 1, 1)),  # noqa: DTZ001  # that is the point
        ("refresh_token_expires", epoch),
        ("online_access_info", OnlineAccessInfo(AssociatedUser(id=-1))),
        ("online_access_info", OnlineAccessInfo(AssociatedUser(id=2**53))),
        ("online_access_info", OnlineAccessInfo(AssociatedUser(id=1, first_name="nul\0"))),
        ("online_access_info", OnlineAccessInfo(AssociatedUser(id=1, email="\ud800"))),
    ):
        bad = online_session(shop)
        setattr(bad, name, value)
        await _raises(
            InvalidSessionError,
            partial(subject.storage.store_session, bad),
            f"store a session with an unstorable {name}",
        )
    await subject.loads(session)


# --- many at once ---------------------------------------------------------------------------------


@case()
async def concurrent_stores_for_one_shop_are_all_kept(subject: Subject) -> None:
    """Many stores for one shop at once: all of them are kept and found."""
    shop = subject.shop()
    sessions = [online_session(shop, user) for user in range(20)]
    results = await _all(subject.storage.store_session(session) for session in sessions)
    _same(results, [True] * 20, "the results of 20 stores at once")
    await subject.finds(shop, sessions)


@case()
async def concurrent_stores_and_deletes_lose_nothing(subject: Subject) -> None:
    """Stores and deletes for one shop at once: exactly what was stored and not deleted is left."""
    shop = subject.shop()
    old = [online_session(shop, user) for user in range(20)]
    new = [online_session(shop, user) for user in range(100, 120)]
    await _all(subject.storage.store_session(session) for session in old)
    calls: list[Awaitable[bool]] = []
    for one, other in zip(old, new, strict=True):
        calls += [
            subject.storage.delete_session(one.id),
            subject.storage.store_session(other),
        ]
    await _all(calls)
    await subject.finds(shop, new)
    await _all(
        [
            subject.storage.delete_sessions(session.id for session in new[:7]),
            subject.storage.delete_sessions(session.id for session in new[7:14]),
            *(subject.storage.store_session(session) for session in old[:5]),
        ]
    )
    await subject.finds(shop, [*new[14:], *old[:5]])


@case()
async def concurrent_stores_of_one_id_keep_one_whole(subject: Subject) -> None:
    """Many stores of one id at once: one of the sessions is kept, as a whole, and found once."""
    shop = subject.shop()
    versions = [
        offline_session(shop, state=str(number), scope=f"scope_{number}", access_token=f"{number}")
        for number in range(20)
    ]
    results = await _all(subject.storage.store_session(version) for version in versions)
    _same(results, [True] * 20, "the results of 20 stores at once")
    loaded = await subject.storage.load_session(versions[0].id)
    _true(
        loaded is not None and any(loaded.equals(version) for version in versions),
        f"what is kept is a mixture: {loaded!r}",
    )
    assert loaded is not None
    await subject.finds(shop, [loaded])


@case()
async def concurrent_loads_get_their_own_session(subject: Subject) -> None:
    """Many loads at once: each gets the session of its id, and an unknown id gets None."""
    shops = [subject.shop() for _ in range(30)]
    sessions = [offline_session(shop) for shop in shops]
    await _all(subject.storage.store_session(session) for session in sessions)
    ids = [session.id for session in sessions]
    asked = [*ids, *(unique("unknown") for _ in range(10)), *reversed(ids)]
    loaded = await _all(subject.storage.load_session(id) for id in asked)
    by_id = {session.id: session for session in sessions}
    for id, session in zip(asked, loaded, strict=True):
        if id in by_id:
            _equal(session, by_id[id], f"load_session({id!r}) among many")
        else:
            _same(session, None, "an unknown session among many")


@case()
async def loads_see_what_was_stored_before(subject: Subject) -> None:
    """A load that begins after a store has ended sees it, however many loads are under way."""
    session = offline_session(subject.shop(), state="0")
    await subject.stores(session)
    finished = asyncio.Event()

    async def crowd() -> None:
        while not finished.is_set():
            await subject.storage.load_session(session.id)
            await asyncio.sleep(0)

    others = [asyncio.ensure_future(crowd()) for _ in range(8)]
    try:
        for version in range(1, 15):
            session = replace(session, state=str(version))
            await _ticks(version)  # each time at another moment of the reads under way
            await subject.stores(session)
            await subject.loads(session)
        await subject.storage.delete_session(session.id)
        _same(await subject.storage.load_session(session.id), None, "a deleted session")
    finally:
        finished.set()
        await asyncio.gather(*others)


@case()
async def cancelled_callers_disturb_nobody(subject: Subject) -> None:
    """Callers that are cancelled, or run out of time, spoil nothing for the others."""
    for ticks in (1, 2, 4):  # before they are sent, and on the way
        shop = subject.shop()
        sessions = [online_session(shop, user) for user in range(40)]
        stores = [
            asyncio.ensure_future(subject.storage.store_session(session)) for session in sessions
        ]
        await _ticks(ticks)
        for store in stores[::4]:
            store.cancel()
        stored = await asyncio.gather(*stores, return_exceptions=True)
        for number, outcome in enumerate(stored):
            if number % 4:
                _same(outcome, True, "a store beside cancelled ones")
        loads = [
            asyncio.ensure_future(subject.storage.load_session(session.id)) for session in sessions
        ]
        await _ticks(ticks)
        for load in loads[::4]:
            load.cancel()
        loaded = await asyncio.gather(*loads, return_exceptions=True)
        for number, result in enumerate(loaded):
            if number % 4:
                what = "a load beside cancelled ones"
                _true(not isinstance(result, BaseException), f"{what}: {result!r}")
                _equal(result, sessions[number], what)
        await subject.stores(*sessions[::4])
        await subject.finds(shop, sessions)


# --- conditional writes ---------------------------------------------------------------------------


@case()
async def compare_and_store_stores_what_is_expected(subject: Subject) -> None:
    """compare_and_store() stores if the tokens are still the expected ones, or nothing is."""
    session = offline_session(subject.shop())
    _same(await subject.storage.compare_and_store(session, None), True, "the first session")
    await subject.loads(session)
    await subject.finds(session.shop, [session])
    newer = replace(session, access_token="newer", refresh_token="newer too")
    # Only the tokens are compared.
    expected = replace(session, state="another", scope=None, expires=None)
    _same(await subject.storage.compare_and_store(newer, expected), True, "a newer session")
    await subject.loads(newer)
    await subject.finds(session.shop, [newer])
    _same(await subject.storage.compare_and_store(newer, newer), True, "the same session again")
    await subject.loads(newer)


@case()
async def compare_and_store_refuses_the_rest(subject: Subject) -> None:
    """With other tokens, or none at all, compare_and_store() is False and changes nothing."""
    storage = subject.storage
    shop = subject.shop()
    session = offline_session(shop, access_token="Token", refresh_token=None)
    _same(await storage.compare_and_store(session, session), False, "what is not stored yet")
    without = replace(session, access_token=None)
    _same(await storage.compare_and_store(session, without), False, "no token and no session")
    _same(await storage.load_session(session.id), None, "what was not stored")
    await subject.finds(shop, [])
    await subject.stores(session)
    newer = replace(session, access_token="newer", refresh_token="newer", scope="newer")
    for expected in (
        None,
        replace(session, access_token="other"),
        replace(session, access_token="token"),
        replace(session, access_token="Token "),
        replace(session, access_token="Tokén"),
        replace(session, access_token=""),
        replace(session, access_token=None),
        replace(session, refresh_token="other"),
        replace(session, refresh_token=""),
    ):
        stored = await storage.compare_and_store(newer, expected)
        _same(stored, False, f"compare_and_store() expecting {_differing(expected, session)}")
        await subject.loads(session)
    await subject.finds(shop, [session])
    both = replace(session, access_token="", refresh_token="Refresh")
    await subject.stores(both)
    for expected in (
        replace(both, access_token=None),
        replace(both, refresh_token="refresh"),
        replace(both, refresh_token=None),
    ):
        stored = await storage.compare_and_store(newer, expected)
        _same(stored, False, f"compare_and_store() expecting {_differing(expected, both)}")
    await subject.loads(both)
    _same(await storage.compare_and_store(newer, both), True, "with both tokens as expected")


@case()
async def compare_and_store_replaces_everything(subject: Subject) -> None:
    """What compare_and_store() stores replaces the session as a whole, in the shop's list too."""
    shop, other_shop = subject.shop(), subject.shop()
    online = online_session(shop, refresh_token="refresh", refresh_token_expires=EXPIRES)
    await subject.stores(online)
    bare = Session(id=online.id, shop=other_shop, state="", is_online=False)
    _same(await subject.storage.compare_and_store(bare, online), True, "a bare session")
    await subject.loads(bare)
    await subject.finds(shop, [])
    await subject.finds(other_shop, [bare])
    _same(await subject.storage.compare_and_store(online, bare), True, "without any token before")
    await subject.loads(online)
    await subject.finds(shop, [online])
    await subject.finds(other_shop, [])


@case()
async def of_many_comparisons_one_wins(subject: Subject) -> None:
    """Of many compare_and_stores at once that expect the same, one is True; it is what stays."""
    session = offline_session(subject.shop())
    expected = None
    for _ in range(3):
        versions = [replace(session, access_token=unique("token")) for _ in range(10)]
        won = await _all(subject.storage.compare_and_store(one, expected) for one in versions)
        _same(sorted(won), [False] * 9 + [True], "the results of 10 compare_and_stores at once")
        expected = versions[won.index(True)]
        await subject.loads(expected)


@case("further", "conditional_writes")
async def two_storages_that_compare_do_not_both_win(subject: Subject) -> None:
    """Two storages that expect the same at the same moment: one of them wins, 20 times."""
    storages = [subject.storage, await subject.further()]
    session = offline_session(subject.shop())
    await subject.stores(session)
    expected: Session | None = session
    for attempt in range(40):
        if attempt >= 20:  # then with nothing stored
            await subject.storage.delete_session(session.id)
            expected = None
        versions = [replace(session, access_token=unique("token")) for _ in storages]
        won = await _all(
            storage.compare_and_store(version, expected)
            for storage, version in zip(storages, versions, strict=True)
        )
        _same(sorted(won), [False, True], "the results of two storages")
        expected = versions[won.index(True)]
        await subject.loads(expected)
    assert expected is not None
    await subject.finds(session.shop, [expected])


@case("conditional_writes")
async def comparing_loses_no_plain_store(subject: Subject) -> None:
    """A plain store is never lost to a compare_and_store() that expected what was before it."""
    old = offline_session(subject.shop(), access_token="old")
    for ticks in range(12):
        await subject.stores(old)
        compared = replace(old, access_token="compared")
        comparing = asyncio.ensure_future(subject.storage.compare_and_store(compared, old))
        await _ticks(ticks)
        plain = replace(old, access_token="plain")
        await subject.stores(plain)
        await comparing
        await subject.loads(plain)


# --- leases ---------------------------------------------------------------------------------------


@case()
async def lease_has_one_holder(subject: Subject) -> None:
    """A lease has one holder, who can renew and release it; names are compared exactly."""
    storage = subject.storage
    name, minute = unique("Lease é"), timedelta(minutes=1)
    _same(await storage.acquire_lease(name, "a", minute), True, "a free lease")
    for other in ("b", "A", "a ", "á"):
        _same(await storage.acquire_lease(name, other, minute), False, f"a's lease, for {other!r}")
    _same(await storage.acquire_lease(name, "a", minute), True, "its own lease")
    _same(await storage.acquire_lease(name, "a", minute), True, "its own lease, once more")
    for other_name in (name.upper(), f"{name} ", name.replace("é", "e")):
        _same(await storage.acquire_lease(other_name, "b", minute), True, "a lease of another name")
        await storage.release_lease(other_name, "b")
    await storage.release_lease(name, "b")
    _same(await storage.acquire_lease(name, "b", minute), False, "a lease that b has not released")
    await storage.release_lease(name, "a")
    _same(await storage.acquire_lease(name, "b", minute), True, "a released lease")
    await storage.release_lease(name, "b")
    await storage.release_lease(name, "b")


@case()
async def lease_ends_when_its_time_is_over(subject: Subject) -> None:
    """A lease whose holder is gone can be had when its time is over, and renewing prolongs it."""
    storage = subject.storage
    name, minute = unique("lease"), timedelta(minutes=1)
    _same(await storage.acquire_lease(name, "gone", timedelta(milliseconds=50)), True, "the lease")
    await _until(lambda: storage.acquire_lease(name, "next", minute), "a lease that is over")
    _same(await storage.acquire_lease(name, "gone", minute), False, "the lease of the next holder")
    _same(
        await storage.acquire_lease(name, "next", timedelta(microseconds=1)),
        True,
        "a short renewal",
    )
    await _until(lambda: storage.acquire_lease(name, "last", minute), "a shortened lease")
    await storage.release_lease(name, "last")


@case()
async def leases_are_no_sessions(subject: Subject) -> None:
    """A lease is not seen as a session, and leaves a session of the same name alone."""
    storage = subject.storage
    session = offline_session(subject.shop())
    for name in (session.id, session.shop):
        await storage.acquire_lease(name, "holder", timedelta(minutes=1))
    _same(await storage.load_session(session.id), None, "a session with the name of a lease")
    await subject.finds(session.shop, [])
    await subject.stores(session)
    await subject.loads(session)
    await subject.finds(session.shop, [session])
    await storage.delete_session(session.id)
    for name in (session.id, session.shop):
        refused = await storage.acquire_lease(name, "other", timedelta(minutes=1))
        _same(refused, False, "a lease, after the session of that name was deleted")
        await storage.release_lease(name, "holder")


@case("further", "leases")
async def two_storages_do_not_both_have_a_lease(subject: Subject) -> None:
    """Two storages that want one lease at the same moment: one of them gets it, 20 times."""
    storages = [subject.storage, await subject.further()]
    for _ in range(20):
        name = unique("lease")
        got = await _all(
            storage.acquire_lease(name, str(number), timedelta(minutes=1))
            for number, storage in enumerate(storages)
        )
        _same(sorted(got), [False, True], "the results of two storages")
        await storages[got.index(False)].release_lease(name, str(got.index(True)))
        got = [
            await storage.acquire_lease(name, "third", timedelta(minutes=1)) for storage in storages
        ]
        _same(got, [True, True], "a lease that was released through another storage")
        await storages[0].release_lease(name, "third")


# --- lifecycle ------------------------------------------------------------------------------------


@case()
async def ready_is_optional_and_repeatable(subject: Subject) -> None:
    """ready() may be called at any time and more than once, and is_ready() is True then."""
    await subject.storage.ready()
    await _all([subject.storage.ready(), subject.storage.ready(), subject.storage.ready()])
    _same(await subject.storage.is_ready(), True, "is_ready()")


@case()
async def disconnected_storage_can_be_used_again(subject: Subject) -> None:
    """disconnect() may be called at any time and more than once; the storage opens again."""
    session = offline_session(subject.shop())
    await subject.stores(session)
    await subject.storage.disconnect()
    await subject.storage.disconnect()
    await subject.loads(session)
    await _all([subject.storage.disconnect(), subject.storage.disconnect()])
    async with subject.storage as entered:
        _true(entered is subject.storage, "async with gave another object")
        await subject.loads(session)
    await subject.loads(session)


@case()
async def disconnect_waits_for_calls_under_way(subject: Subject) -> None:
    """Calls that were made before disconnect() come to their end."""
    shop = subject.shop()
    sessions = [online_session(shop, user) for user in range(20)]
    stores = [asyncio.ensure_future(subject.storage.store_session(session)) for session in sessions]
    await asyncio.sleep(0)
    await subject.storage.disconnect()
    _same(await asyncio.gather(*stores), [True] * 20, "stores under way at disconnect()")
    await subject.finds(shop, sessions)


@case("another_loop")
async def works_on_another_event_loop(subject: Subject) -> None:
    """After disconnect() the storage works on another event loop, and then on the first again."""
    session = offline_session(subject.shop())
    await subject.stores(session)
    await subject.storage.disconnect()

    async def elsewhere() -> Session | None:
        async with _disconnecting(subject.storage):
            return await subject.storage.load_session(session.id)

    loaded = await asyncio.to_thread(asyncio.run, elsewhere())
    _equal(loaded, session, "a load on another event loop")
    await subject.loads(session)


@case("further")
async def first_calls_may_come_together(subject: Subject) -> None:
    """A storage that was just made serves many first calls at once, without ready()."""
    session = offline_session(subject.shop())
    await subject.stores(session)
    fresh = await subject.further()
    for loaded in await _all(fresh.load_session(session.id) for _ in range(20)):
        _equal(loaded, session, "one of many first calls")


@case("further")
async def several_storages_may_start_together(subject: Subject) -> None:
    """Several storages that start on one backend at the same moment all work."""
    shop = subject.shop()
    storages = [await subject.further() for _ in range(8)]
    sessions = [online_session(shop, user) for user in range(8)]
    results = await _all(
        storage.store_session(session) for storage, session in zip(storages, sessions, strict=True)
    )
    _same(results, [True] * 8, "the first store of each of 8 storages")
    await subject.finds(shop, sessions)


@case("further")
async def storages_on_one_backend_share_sessions(subject: Subject) -> None:
    """What one storage stores, replaces or deletes, another one on the same backend sees."""
    other = await subject.further()
    session = offline_session(subject.shop())
    await subject.stores(session)
    await subject.loads(session, by=other)
    newer = replace(session, access_token="newer")
    _same(await other.store_session(newer), True, "store_session of the other storage")
    await subject.loads(newer)
    await subject.finds(session.shop, [newer], by=other)
    await subject.storage.delete_session(session.id)
    _same(await other.load_session(session.id), None, "what the first storage deleted")
    await subject.finds(session.shop, [], by=other)


@case("further")
async def two_writers_for_one_shop_lose_nothing(subject: Subject) -> None:
    """Two storages that store and delete for one shop at the same moment lose no update."""
    writers = [subject.storage, await subject.further()]
    shop = subject.shop()
    sessions = [online_session(shop, user) for user in range(40)]
    await _all(
        writers[number % 2].store_session(session) for number, session in enumerate(sessions)
    )
    await subject.finds(shop, sessions)
    await _all(
        writers[number % 2].delete_session(session.id)
        for number, session in enumerate(sessions[:20])
    )
    await subject.finds(shop, sessions[20:], by=writers[1])


@case("further")
async def sessions_outlive_the_storage(subject: Subject) -> None:
    """Sessions are still there after disconnect(), for a storage made later."""
    session = online_session(subject.shop())
    await subject.stores(session)
    await subject.storage.disconnect()
    await subject.loads(session, by=await subject.further())


# --- failures -------------------------------------------------------------------------------------


@case("failing")
async def failures_are_logged_by_default(subject: Subject) -> None:
    """With on_error="log" a failure is logged at ERROR and gives False, None or an empty list."""
    storage = await subject.failing("log")
    session = offline_session(subject.shop())
    calls: list[tuple[str, Callable[[], Awaitable[Any]], Any]] = [
        ("store_session", lambda: storage.store_session(session), False),
        ("load_session", lambda: storage.load_session(session.id), None),
        ("delete_session", lambda: storage.delete_session(session.id), False),
        ("delete_sessions", lambda: storage.delete_sessions([session.id]), False),
        ("find_sessions_by_shop", lambda: storage.find_sessions_by_shop(session.shop), []),
    ]
    for name, call, expected in calls:
        with _Records() as records:
            _same(await call(), expected, f"{name} without a backend")
        _true(
            any(record.levelno == logging.ERROR for record in records.all),
            f"{name} without a backend was not logged at ERROR under shopify_session_storage",
        )
    _same(await storage.delete_sessions([]), True, "delete_sessions of nothing")


@case("failing")
async def failures_can_be_raised(subject: Subject) -> None:
    """With on_error="raise" a failure is a SessionStorageUnavailableError with its cause."""
    storage = await subject.failing("raise")
    session = offline_session(subject.shop())
    for name, call in _five_calls(storage, session):
        error = await _raises(SessionStorageUnavailableError, call, f"{name} without a backend")
        _true(error.__cause__ is not None, f"the error of {name} has no cause")


@case("failing")
async def ready_tells_the_failure(subject: Subject) -> None:
    """ready() raises a SessionStorageError whatever on_error says; is_ready() is False."""
    modes: Sequence[Literal["log", "raise"]] = ("log", "raise")
    for mode in modes:
        storage = await subject.failing(mode)
        error = await _raises(SessionStorageError, storage.ready, "ready() without a backend")
        _true(error.__cause__ is not None, "the error of ready() has no cause")
        _same(await storage.is_ready(), False, "is_ready() without a backend")
        await storage.disconnect()


@case("failing")
async def bad_arguments_raise_before_anything_is_sent(subject: Subject) -> None:
    """Bad arguments raise TypeError or ValueError even if the backend cannot be reached."""
    storage: Any = await subject.failing("log")
    await _raises(TypeError, lambda: storage.load_session(None), "load_session(None)")
    await _raises(TypeError, lambda: storage.delete_sessions("id"), "delete_sessions('id')")
    await _raises(ValueError, lambda: storage.find_sessions_by_shop(""), "an empty shop")
    bad = offline_session(subject.shop(), access_token="nul\0")
    await _raises(InvalidSessionError, lambda: storage.store_session(bad), "an invalid session")


@case("failing")
async def comparing_and_leasing_raise_failures(subject: Subject) -> None:
    """A failure of compare_and_store() or of the backend's leases raises whatever on_error says."""
    session = offline_session(subject.shop())
    modes: Sequence[Literal["log", "raise"]] = ("log", "raise")
    for mode in modes:
        storage = await subject.failing(mode)
        calls: list[tuple[str, Callable[[], Awaitable[Any]]]] = [
            ("expecting nothing", partial(storage.compare_and_store, session, None)),
            ("expecting a session", partial(storage.compare_and_store, session, session)),
        ]
        if storage.leases == "backend":
            acquire = partial(storage.acquire_lease, "name", "holder", timedelta(minutes=1))
            release = partial(storage.release_lease, "name", "holder")
            calls += [("acquire_lease", acquire), ("release_lease", release)]
        for what, call in calls:
            error = await _raises(SessionStorageUnavailableError, call, f"{what}, no backend")
            chain: BaseException | None = error
            while chain is not None:
                _no_token(f"{chain!r} {vars(chain)!r}", session, f"the error of {what}")
                chain = chain.__cause__ or chain.__context__


@case("failing")
async def comparing_and_leasing_check_their_arguments(subject: Subject) -> None:
    """Bad arguments of compare_and_store() and of leases raise even without a backend."""
    storage: Any = await subject.failing("log")
    shop = subject.shop()
    session = offline_session(shop)
    second = timedelta(seconds=1)
    for what, call in (
        ("a dict as the session", lambda: storage.compare_and_store(session.to_dict(), session)),
        ("a dict as what is expected", lambda: storage.compare_and_store(session, {})),
        ("None as a name", lambda: storage.acquire_lease(None, "holder", second)),
        ("bytes as a holder", lambda: storage.acquire_lease("name", b"holder", second)),
        ("a number as the time", lambda: storage.acquire_lease("name", "holder", 1)),
        ("None as a name to release", lambda: storage.release_lease(None, "holder")),
    ):
        await _raises(TypeError, call, what)
    bad = replace(session, access_token="nul\0")
    for what, call in (
        ("an invalid session", lambda: storage.compare_and_store(bad, None)),
        ("an invalid expected one", lambda: storage.compare_and_store(session, bad)),
        (
            "two ids",
            lambda: storage.compare_and_store(session, online_session(shop)),
        ),
    ):
        await _raises(InvalidSessionError, call, what)
    for what, call in (
        ("no name", lambda: storage.acquire_lease("", "holder", second)),
        ("a long name", lambda: storage.acquire_lease("é" * 251, "holder", second)),
        ("NUL in the holder", lambda: storage.acquire_lease("name", "nul\0", second)),
        ("no time", lambda: storage.acquire_lease("name", "holder", timedelta(0))),
        ("no name to release", lambda: storage.release_lease("", "holder")),
        ("no holder to release", lambda: storage.release_lease("name", "")),
    ):
        await _raises(ValueError, call, what)


@case("failing")
async def failures_show_no_token(subject: Subject) -> None:
    """No log record and no error carries a token, whatever happens."""
    session = offline_session(
        subject.shop(), access_token=unique("shpat"), refresh_token=unique("shprt")
    )
    with _Records() as records:
        await subject.stores(session)
        await subject.loads(session)
        logging_storage = await subject.failing("log")
        await logging_storage.store_session(session)
        raising_storage = await subject.failing("raise")
        for name, call in _five_calls(raising_storage, session):
            error = await _raises(SessionStorageError, call, name)
            chain: BaseException | None = error
            while chain is not None:
                _no_token(f"{chain!r} {chain} {vars(chain)!r}", session, f"the error of {name}")
                chain = chain.__cause__ or chain.__context__
        bad = replace(session, state="nul\0")
        error = await _raises(
            InvalidSessionError, lambda: subject.storage.store_session(bad), "an invalid session"
        )
        _no_token(f"{error!r}", session, "the error of an invalid session")
    for record in records.all:
        _no_token(
            f"{record.getMessage()} {record.args!r} {record.exc_text}", session, "a log record"
        )
    _no_token(repr(session), session, "repr() of a session")


# --- helpers --------------------------------------------------------------------------------------


def _five_calls(
    storage: SessionStorage, session: Session
) -> list[tuple[str, Callable[[], Awaitable[Any]]]]:
    return [
        ("store_session", lambda: storage.store_session(session)),
        ("load_session", lambda: storage.load_session(session.id)),
        ("delete_session", lambda: storage.delete_session(session.id)),
        ("delete_sessions", lambda: storage.delete_sessions([session.id])),
        ("find_sessions_by_shop", lambda: storage.find_sessions_by_shop(session.shop)),
    ]


def _true(condition: bool, broken: str) -> None:
    if not condition:
        raise AssertionError(broken)


def _same(actual: object, expected: object, what: str) -> None:
    if actual != expected or type(actual) is not type(expected):
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


def _equal(actual: object, expected: Session, what: str) -> None:
    if not isinstance(actual, Session):
        raise AssertionError(f"{what}: expected a Session, got {actual!r}")
    if not actual.equals(expected):
        wanted = dict(expected.to_property_array(return_user_data=True))
        got = dict(actual.to_property_array(return_user_data=True))
        differing = sorted(key for key in {*wanted, *got} if wanted.get(key) != got.get(key))
        shown = [
            key if "Token" in key else f"{key} (expected {wanted.get(key)!r}, got {got.get(key)!r})"
            for key in differing
        ]
        raise AssertionError(f"{what}: the session differs in {', '.join(shown)}")


def _no_token(text: str, session: Session, where: str) -> None:
    for token in (session.access_token, session.refresh_token):
        _true(token is None or token not in text, f"{where} shows a token")


async def _raises(
    expected: type[Exception], call: Callable[[], Awaitable[Any]], what: str
) -> Exception:
    try:
        result = await call()
    except expected as error:
        return error
    except Exception as error:
        raise AssertionError(
            f"{what}: expected {expected.__name__}, got {type(error).__name__}: {error}"
        ) from error
    raise AssertionError(f"{what}: expected {expected.__name__}, but it returned {result!r}")


async def _checked(work: Awaitable[None]) -> None:
    """Await *work*. If a call in it is cancelled by nobody, that is a failure like others."""
    try:
        await work
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise AssertionError("a call was cancelled, though nobody had cancelled it") from error


async def _all(calls: Iterable[Awaitable[_T]]) -> list[_T]:
    return list(await asyncio.gather(*calls))


async def _until(call: Callable[[], Awaitable[bool]], what: str) -> None:
    """Call until it is True."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not await call():
        _true(time.monotonic() < deadline, f"{what} is not to be had")
        await asyncio.sleep(0.01)


def _differing(expected: Session | None, stored: Session) -> str:
    if expected is None:
        return "nothing"
    names = [
        n for n in ("access_token", "refresh_token") if getattr(expected, n) != getattr(stored, n)
    ]
    return f"another {names[0]}"


async def _ticks(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


@asynccontextmanager
async def _disconnecting(storage: SessionStorage) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await storage.disconnect()


class _Records(logging.Handler):
    """Collects what is logged under ``shopify_session_storage``, at every level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.all: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.all.append(record)

    def __enter__(self) -> "_Records":
        self._logger = logging.getLogger("shopify_session_storage")
        self._level = self._logger.level
        self._logger.setLevel(logging.DEBUG)
        self._logger.addHandler(self)
        return self

    def __exit__(self, *exception: object) -> None:
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)
