"""Many sessions go from one side to the other."""

import asyncio

from interop.differences import arrives

from .drawing import drawn, until
from .reading import sides


async def all_there_and_gone(backend, writer, javascript, python, times, change=lambda one: one):
    """Sessions of one side are loaded by the other; what that deletes is gone for both."""
    writing, reading = sides(writer, javascript, python)
    stored = [until(backend.latest, session) for session in drawn(times)]
    expected = {one.id: change(arrives(backend.name, writer, one)) for one in stored}
    await by_tens(writing.store_session, stored)
    loaded = await by_tens(reading.load_session, expected)
    assert dict(zip(expected, loaded, strict=True)) == expected
    found = await by_tens(reading.find_sessions_by_shop, [one.shop for one in stored])
    assert dict(zip(expected, found, strict=True)) == {id: [one] for id, one in expected.items()}
    deleted, kept = [one.id for one in stored[::2]], [one.id for one in stored[1::2]]
    assert await reading.delete_session(deleted[0])
    assert await reading.delete_sessions(deleted[1:])
    for storage in (writing, reading):
        assert await by_tens(storage.load_session, deleted) == [None] * len(deleted)
        assert [one.id for one in await by_tens(storage.load_session, kept)] == kept


async def by_tens(call, arguments):
    """Return what it answers, ten calls at a time."""
    answers = []
    for ten in batched(list(arguments), 10):
        answers += await asyncio.gather(*map(call, ten))
    return answers


def batched(whole, size):
    return (whole[start : start + size] for start in range(0, len(whole), size))
