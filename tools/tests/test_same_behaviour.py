"""Whatever is called in whatever order, every backend answers as a dictionary would.

Calls of one batch are under way at the same time. Those for one id take effect in the order in
which they were made, so that their answers and what they leave behind are known beforehand.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interop.backends import BACKENDS
from shopify_session_storage import (
    AssociatedUser,
    CachedSessionStorage,
    OnlineAccessInfo,
    Session,
)
from shopify_session_storage.encryption import EncryptedSessionStorage, Keyring
from shopify_session_storage.testing.sessions import unique
from shopify_session_storage_memory import MemorySessionStorage

# What a backend might confuse with one another.
ENDS = ("a", "A", "á", "a\u0301", "a ", "%", "_", "'", '"', "\\", "😀", "ﬀ", "ss", "ß")
TOKENS = (None, "", "a", "A", "a ", "ö\\\"'")
DATES = (None, datetime(2035, 1, 1, tzinfo=UTC), datetime(2001, 1, 1, tzinfo=UTC))
USERS = (
    AssociatedUser(id=2**53 - 1, first_name="", email_verified=False, account_owner=True),
    AssociatedUser(id=7, last_name="é", email="a@b.c", locale="de", collaborator=False),
)
TTL = timedelta(minutes=5)

ends = st.sampled_from(ENDS[:6]) | st.sampled_from(ENDS)
tokens = st.sampled_from(TOKENS)
drawn_sessions = st.builds(
    Session,
    id=ends,
    shop=ends,
    state=st.sampled_from(("", "nonce")),
    is_online=st.just(False),
    scope=tokens,
    expires=st.sampled_from(DATES),
    access_token=tokens,
    refresh_token=tokens,
    refresh_token_expires=st.sampled_from(DATES),
) | st.builds(
    Session,
    id=ends,
    shop=ends,
    state=st.just(""),
    is_online=st.just(True),
    access_token=tokens,
    online_access_info=st.builds(OnlineAccessInfo, st.sampled_from(USERS)),
)
writes = st.one_of(
    st.tuples(st.just("store"), drawn_sessions),
    st.tuples(st.just("delete"), ends),
    st.tuples(st.just("delete many"), st.lists(ends, max_size=4)),
    st.tuples(st.just("swap"), drawn_sessions, st.none() | st.just("stored") | drawn_sessions),
    st.tuples(st.just("drop"), drawn_sessions, st.booleans()),
    st.tuples(st.just("lease"), ends, st.sampled_from("xy")),
    st.tuples(st.just("release"), ends, st.sampled_from("xy")),
)


@pytest_asyncio.fixture(params=BACKENDS, ids=lambda backend: backend.name)
async def storage(request, tmp_path):
    backend = request.param
    url = request.getfixturevalue(backend.fixture) if backend.fixture else ""
    async with backend.space(url, tmp_path) as space, space.python() as storage:
        yield storage


@dataclass
class Model:
    """What should be stored, and who should have the leases."""

    sessions: dict[str, Session]
    leases: dict[str, str]

    def store(self, session):
        self.sessions[session.id] = session
        return True

    def delete(self, *ids):
        for id in ids:
            self.sessions.pop(id, None)
        return True

    def has(self, expected, id):
        stored = self.sessions.get(id)
        if stored is None or expected is None:
            return stored is expected
        return (stored.access_token, stored.refresh_token) == (
            expected.access_token,
            expected.refresh_token,
        )

    def swap(self, session, expected):
        return self.has(expected, session.id) and self.store(session)

    def drop(self, expected):
        if expected.id in self.sessions and not self.has(expected, expected.id):
            return False
        return self.delete(expected.id)

    def lease(self, name, holder):
        return self.leases.setdefault(name, holder) == holder

    def release(self, name, holder):
        if self.leases.get(name) == holder:
            del self.leases[name]


class Names:
    """Makes names of an example out of the ends of names."""

    def __init__(self):
        self._start = unique("x")

    def id(self, end):
        return f"id {self._start} {end}"

    def shop(self, end):
        return f"{self._start}.example {end}"

    def of(self, session, **changes):
        return replace(session, id=self.id(session.id), shop=self.shop(session.shop), **changes)


def planned(storage, model, names, write):
    """Return a call, and what it should come to; the model comes to it at once."""
    kind, what, *more = write
    if kind == "store":
        session = names.of(what)
        return storage.store_session(session), model.store(session)
    if kind == "delete":
        id = names.id(what)
        return storage.delete_session(id), model.delete(id)
    if kind == "delete many":
        ids = [names.id(end) for end in what]
        return storage.delete_sessions(ids), model.delete(*ids)
    if kind in ("lease", "release"):
        name, (holder,) = names.id(what), more
        if kind == "lease":
            return storage.acquire_lease(name, holder, TTL), model.lease(name, holder)
        return storage.release_lease(name, holder), model.release(name, holder)
    session, (choice,) = names.of(what), more
    stored = model.sessions.get(session.id)
    if kind == "swap":
        if isinstance(choice, Session):
            choice = replace(names.of(choice), id=session.id)
        expected = stored if choice == "stored" else choice
        return storage.compare_and_store(session, expected), model.swap(session, expected)
    expected = stored if choice and stored is not None else session
    return storage.compare_and_delete(expected), model.drop(expected)


some_batches = given(batches=st.lists(st.lists(writes, min_size=1, max_size=12), max_size=5))
some_examples = settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@some_batches
@some_examples
@pytest.mark.asyncio
async def test_every_backend_answers_as_a_dictionary_would(storage, batches):
    await agree(storage, batches)


@some_batches
@some_examples
@pytest.mark.parametrize(
    "wrapped", [lambda storage: storage, CachedSessionStorage], ids=["memory", "cache"]
)
@pytest.mark.asyncio
async def test_memory_and_a_cache_do_so_too(wrapped, batches):
    async with wrapped(MemorySessionStorage(on_error="raise")) as storage:
        await agree(storage, batches)


@some_batches
@some_examples
@pytest.mark.asyncio
async def test_an_encrypted_storage_does_so_call_by_call(batches):
    """Its comparisons read first, so that a write of the same moment may come between."""
    inner = MemorySessionStorage(on_error="raise")
    async with EncryptedSessionStorage(inner, Keyring({"a": bytes(32)})) as storage:
        await agree(storage, [[write] for batch in batches for write in batch])


async def agree(storage, batches):
    names, model = Names(), Model({}, {})
    for batch in batches:
        calls, expected = zip(
            *(planned(storage, model, names, write) for write in batch), strict=True
        )
        assert await asyncio.gather(*calls) == list(expected)
        await check(storage, model, names)


async def check(storage, model, names):
    """See that loads and finds give what the model has."""
    ids, shops = [names.id(end) for end in ENDS], [names.shop(end) for end in ENDS]
    loaded = await asyncio.gather(*map(storage.load_session, ids))
    for id, session in zip(ids, loaded, strict=True):
        stored = model.sessions.get(id)
        assert (session is None) == (stored is None)
        assert stored is None or stored.equals(session)
    found = await asyncio.gather(*map(storage.find_sessions_by_shop, shops))
    for shop, sessions in zip(shops, found, strict=True):
        of_shop = [id for id, one in model.sessions.items() if one.shop == shop]
        assert sorted(one.id for one in sessions) == sorted(of_shop)
        assert all(model.sessions[one.id].equals(one) for one in sessions)
