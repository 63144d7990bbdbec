"""Bad arguments raise, and change nothing."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from shopify_session_storage.errors import InvalidSessionError
from shopify_session_storage.session import AssociatedUser, OnlineAccessInfo
from shopify_session_storage.testing.assertions import raises
from shopify_session_storage.testing.case import case
from shopify_session_storage.testing.sessions import offline_session, online_session, unique
from shopify_session_storage.testing.subject import Subject


@case()
async def wrong_types_raise_type_error(subject: Subject) -> None:
    """Arguments of the wrong type raise TypeError; so does a bare str as ids."""
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
        await raises(TypeError, call, what)


@case()
async def wrong_types_of_comparisons_and_leases_raise_type_error(subject: Subject) -> None:
    """Comparisons and leases raise TypeError for arguments of the wrong type, None included."""
    storage: Any = subject.storage
    session = offline_session(subject.shop())
    await subject.stores(session)
    second = timedelta(seconds=1)
    wrong_token = offline_session(session.shop)
    wrong_token.access_token = b"token"  # type: ignore[assignment]  # that is the point
    for what, call in (
        ("no session to store", lambda: storage.compare_and_store(None, session)),
        ("a dict to store", lambda: storage.compare_and_store(session.to_dict(), session)),
        ("a dict as expected", lambda: storage.compare_and_store(session, session.to_dict())),
        ("an id as expected", lambda: storage.compare_and_store(session, session.id)),
        ("a token that is none", lambda: storage.compare_and_store(session, wrong_token)),
        ("nothing to delete", lambda: storage.compare_and_delete(None)),
        ("an id to delete", lambda: storage.compare_and_delete(session.id)),
        ("a dict to delete", lambda: storage.compare_and_delete(session.to_dict())),
        ("sessions to delete", lambda: storage.compare_and_delete([session])),
        ("a token that is none to delete", lambda: storage.compare_and_delete(wrong_token)),
        ("no name of a lease", lambda: storage.acquire_lease(None, "holder", second)),
        ("a number as the holder", lambda: storage.acquire_lease("name", 1, second)),
        ("no time", lambda: storage.acquire_lease("name", "holder", None)),
        ("seconds", lambda: storage.acquire_lease("name", "holder", 1)),
        ("fractions of seconds", lambda: storage.acquire_lease("name", "holder", 0.5)),
        ("no name to release", lambda: storage.release_lease(None, "holder")),
        ("bytes as the holder to release", lambda: storage.release_lease("name", b"holder")),
    ):
        await raises(TypeError, call, what)
    await subject.loads(session)


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
        await raises(ValueError, partial(storage.load_session, id), f"load {id!r}")
        await raises(ValueError, partial(storage.delete_session, id), f"delete {id!r}")
        await raises(
            ValueError,
            partial(storage.delete_sessions, [session.id, id]),
            f"delete among others {id!r}",
        )
        await raises(
            ValueError,
            partial(storage.store_session, offline_session(shop, id=id)),
            f"store {id!r}",
        )
    await raises(
        ValueError,
        lambda: storage.store_session(offline_session(shop, id=shop)),
        "store under the shop as the id",
    )
    for other in impossible:
        await raises(
            ValueError,
            partial(storage.find_sessions_by_shop, other),
            f"find {other!r}",
        )
        await raises(
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
        await raises(
            InvalidSessionError,
            partial(subject.storage.store_session, bad),
            f"store a session with an unstorable {name}",
        )
    await subject.loads(session)
