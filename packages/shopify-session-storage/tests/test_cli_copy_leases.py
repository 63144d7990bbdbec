"""``copy`` works alone: two into one target do not, and its lease outlives an outage."""

import asyncio
from datetime import timedelta

import pytest
from shopify_session_storage import SessionStorageUnavailableError, open_session_storage
from shopify_session_storage.cli.copying.lease import NAME, CopyLease
from shopify_session_storage.cli.copying.state import State
from shopify_session_storage.cli.exits import Stop

from .cli_runs import Run, copy, load, offline, store, url_of


@pytest.fixture
def old(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "old.db"


@pytest.fixture
def new(tmp_path):
    return tmp_path / "new.db"


def test_two_copies_into_one_target(old, new, capsys):
    store(old, offline())
    store(new, offline("beta"))

    async def taken():
        async with open_session_storage(url_of(new), on_error="raise") as storage:
            assert await storage.acquire_lease(NAME, "somebody", timedelta(seconds=30))

    asyncio.run(taken())
    run = copy(capsys, old, new)
    assert run.code == 4
    assert "another command" in run.err
    assert load(new, offline().id) is None


def test_a_lease_outlives_a_moment_without_its_server(new, monkeypatch):
    async def work():
        async with open_session_storage(url_of(new), on_error="raise") as storage:
            lease = CopyLease(storage, State("", ""))
            await lease.take()

            async def fails(name, holder, ttl):
                raise SessionStorageUnavailableError("away")

            with monkeypatch.context() as patch:
                patch.setattr(storage, "acquire_lease", fails)
                lease._renewed -= 10
                await lease.renew()
                lease._renewed -= 40
                with pytest.raises(SessionStorageUnavailableError):
                    await lease.renew()
            assert await storage.acquire_lease(NAME, "another", timedelta(seconds=1)) is False
            await lease.give_up()
            assert await storage.acquire_lease(NAME, "another", timedelta(seconds=1)) is True
            lease._renewed -= 60
            with pytest.raises(Stop, match="another command"):
                await lease.renew()

    asyncio.run(work())


def test_nobody_waits_for_a_silent_server_to_take_the_lease_back(new, monkeypatch):
    async def work():
        async with open_session_storage(url_of(new), on_error="raise") as storage:
            lease = CopyLease(storage, State("", ""))
            await lease.take()

            async def silent(name, holder):
                await asyncio.sleep(60)

            monkeypatch.setattr(storage, "release_lease", silent)
            async with asyncio.timeout(30):
                await lease.give_up()

    asyncio.run(work())


def test_a_target_without_leases_is_told(old, capsys):
    store(old, offline())
    run = Run(capsys, "copy", url_of(old), "memory://")
    assert run.code == 0
    assert "keeps no leases" in run.err
