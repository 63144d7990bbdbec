"""Keys are rotated under load: writers compare, readers load, nothing is lost.

``--times 100`` and more compares on every server, and compares and rotates in great numbers.
"""

import asyncio
import random
from dataclasses import replace

import pytest
from shopify_session_storage.encryption import EncryptedSessionStorage, Keyring, reencrypt
from shopify_session_storage.testing.sessions import offline_session, online_session

from .encryption_rings import NEW, NEW_SEALS, OLD, OLD_SEALS

COMPARING = ("sqlite", "postgresql", "mysql", "redis", "mongodb", "dynamodb")  # KV cannot
MANY = 100  # --times from which on all is done


def pytest_generate_tests(metafunc):
    """Give the comparisons the backends on which they are quick, or all on request."""
    if metafunc.function is test_one_writer_wins_each_comparison_during_a_rotation:
        whole = metafunc.config.getoption("--times") >= MANY
        metafunc.parametrize("backend", COMPARING if whole else ["sqlite", "redis"])


def test_one_writer_wins_each_comparison_during_a_rotation(backend, address, times):
    """Each of four writers, and two that seal anew, has its own storage object."""
    rounds = 20_000 // 4 if times >= MANY else times
    make = address(backend)

    async def run():
        rings = (OLD_SEALS, NEW_SEALS)
        writers = [make(rings[number % 2]) for number in range(4)]
        sealers = [make(ring) for ring in rings]
        current = offline_session("a.myshopify.com", access_token="shpat_0")
        await writers[0].store_session(current)
        over = False
        anew = 0

        async def rotate(storage):
            nonlocal anew
            while not over:
                anew += (await reencrypt(storage)).sealed
                await asyncio.sleep(0.001)

        rotating = [asyncio.ensure_future(rotate(one)) for one in sealers]
        try:
            for number in range(rounds):
                new = [replace(current, access_token=f"shpat_{number}_{n}") for n in range(4)]
                pairs = zip(writers, new, strict=True)
                won = await asyncio.gather(*(w.compare_and_store(n, current) for w, n in pairs))
                assert won.count(True) == 1
                current = new[won.index(True)]
        finally:
            over = True
            await asyncio.gather(*rotating)
        assert (await writers[0].load_session(current.id)).access_token == current.access_token
        for storage in (*writers, *sealers):
            await storage.disconnect()
        return anew

    anew = asyncio.run(run())
    print(f"{backend}: {4 * rounds} comparisons, one winner of each four, {anew} sealed anew")


@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "redis"])
def test_two_readers_live_through_a_rotation(backend, address, times):
    """Plain text at first; then one key, then another one, each in use before it seals."""
    count = 100_000 if times >= MANY else 500
    make = address(backend)

    async def run():
        steps = [Keyring({"old": OLD}), OLD_SEALS, NEW_SEALS, Keyring({"new": NEW})]
        # Of two processes the second one is always a deployment behind. Each deployment is another
        # object: loads that are under way end in the process in which they began, with its keys.
        inner = [make(steps[0]).wrapped, make(steps[0]).wrapped]
        readers = [EncryptedSessionStorage(one, steps[0]) for one in inner]
        sessions = [online_session(f"shop-{number}.myshopify.com", 1) for number in range(count)]
        for first in range(0, count, 500):
            await asyncio.gather(*map(inner[0].store_session, sessions[first : first + 500]))
        over = False
        reads = 0

        async def read(process):
            nonlocal reads
            while not over:
                one = random.choice(sessions)
                assert (await readers[process].load_session(one.id)).equals(one)
                reads += 1

        reading = [asyncio.ensure_future(read(process)) for process in range(2)]
        reports = []
        for step in steps:
            for process in range(2):
                readers[process] = EncryptedSessionStorage(inner[process], step)
                await asyncio.sleep(0.05)
            if step is not steps[1]:
                reports.append(await reencrypt(readers[0]))
            if (failed := next((one for one in reading if one.done()), None)) is not None:
                await failed
        over = True
        await asyncio.gather(*reading)
        for one in inner:
            await one.disconnect()
        return reads, [(one.examined, one.sealed, one.failed) for one in reports]

    reads, reports = asyncio.run(run())
    assert [(examined >= count, failed) for examined, _, failed in reports] == [(True, ())] * 3
    assert [sealed for _, sealed, _ in reports] == [count, count, 0]
    assert reads > 20
    print(f"{backend}: {count} sessions sealed twice, {reads} loads meanwhile without an error")
