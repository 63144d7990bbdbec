"""Deleting dead sessions, and nothing else.

The backend may hold other sessions, dead ones too. So these cases use dates in January 1970.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shopify_session_storage.retention import PurgeReport
from shopify_session_storage.session import Session
from shopify_session_storage.testing.assertions import raises, same, tick, together, true
from shopify_session_storage.testing.case import case
from shopify_session_storage.testing.sessions import EXPIRES, offline_session, online_session
from shopify_session_storage.testing.subject import Subject

_BEFORE: Final = datetime(1970, 1, 20, tzinfo=UTC)
_DEAD: Final = _BEFORE - timedelta(days=5)
_ALIVE: Final = _BEFORE + timedelta(days=5)


def _offline(shop: str, expires: datetime | None, ends: datetime | None, **changes: Any) -> Session:
    return offline_session(shop, expires=expires, refresh_token_expires=ends, **changes)


def _by_fate(subject: Subject) -> tuple[list[Session], list[Session], list[Session]]:
    """Make sessions that are dead, that are if offline ones count, and that are never."""
    shop = subject.shop()
    dead = [online_session(shop, user, expires=_DEAD) for user in range(5)]
    offline = [
        _offline(subject.shop(), _DEAD, _DEAD),
        _offline(subject.shop(), _DEAD, None, refresh_token=None),  # of client credentials
    ]
    alive = [
        online_session(shop, 100, expires=_ALIVE),
        online_session(shop, 101, expires=None),
        _offline(shop, None, None, refresh_token=None),
        _offline(subject.shop(), _DEAD, _ALIVE),
        _offline(subject.shop(), _DEAD, None),
        _offline(subject.shop(), _ALIVE, _DEAD),
        _offline(subject.shop(), EXPIRES, EXPIRES),
    ]
    return dead, offline, alive


@case("scanning")
async def purge_deletes_the_dead_alone(subject: Subject) -> None:
    """purge_expired() deletes expired online sessions, and no other."""
    dead, offline, alive = _by_fate(subject)
    await _store(subject, [*dead, *offline, *alive])
    report = await subject.storage.purge_expired(before=_BEFORE)
    _check_report(report, len(dead), len(dead + offline + alive))
    await _are_gone(subject, dead)
    await subject.loads(*offline, *alive)
    await subject.finds(dead[0].shop, [one for one in alive if one.shop == dead[0].shop])


@case("scanning")
async def purge_deletes_dead_offline_sessions_if_told(subject: Subject) -> None:
    """With offline=True it also deletes offline sessions without a live token, and no others."""
    dead, offline, alive = _by_fate(subject)
    await _store(subject, [*dead, *offline, *alive])
    report = await subject.storage.purge_expired(before=_BEFORE, offline=True, batch=2)
    _check_report(report, len(dead + offline), len(dead + offline + alive))
    await _are_gone(subject, [*dead, *offline])
    await subject.loads(*alive)
    for one in offline:
        await subject.finds(one.shop, [])


@case("scanning")
async def purge_can_be_tried(subject: Subject) -> None:
    """With dry_run=True it counts what it would delete, and deletes nothing."""
    dead, offline, alive = _by_fate(subject)
    everything = [*dead, *offline, *alive]
    await _store(subject, everything)
    report = await subject.storage.purge_expired(before=_BEFORE, offline=True, dry_run=True)
    _check_report(report, len(dead + offline), len(everything))
    await subject.loads(*everything)


@case("scanning", "conditional_writes")
async def purge_leaves_what_is_refreshed_meanwhile(subject: Subject) -> None:
    """A session that is refreshed during the purge stays, with its new tokens."""
    for ticks in range(0, 24, 3):
        old = _offline(subject.shop(), _DEAD, _DEAD)
        new = replace(
            old, access_token="new", refresh_token="newer", expires=EXPIRES,
            refresh_token_expires=EXPIRES,
        )  # fmt: skip
        await subject.stores(old)
        purging = asyncio.ensure_future(subject.storage.purge_expired(before=_BEFORE, offline=True))
        await tick(ticks)
        await subject.stores(new)
        await purging
        await subject.loads(new)
        await subject.finds(new.shop, [new])


@case("scanning")
async def purge_checks_its_arguments(subject: Subject) -> None:
    """Arguments of the wrong type or value raise, and nothing is deleted."""
    storage: Any = subject.storage
    dead = online_session(subject.shop(), expires=_DEAD)
    await subject.stores(dead)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    wrong: list[tuple[type[Exception], dict[str, Any]]] = [
        (TypeError, {"before": "1970-01-20"}),
        (ValueError, {"before": _BEFORE.replace(tzinfo=None)}),
        (ValueError, {"before": tomorrow}),
        (TypeError, {"offline": 1}),
        (TypeError, {"dry_run": None}),
        (TypeError, {"batch": "5"}),
        (ValueError, {"batch": 0}),
    ]
    for expected, arguments in wrong:
        given = {"before": _BEFORE} | arguments
        await raises(expected, lambda given=given: storage.purge_expired(**given), f"{arguments!r}")  # type: ignore[misc]
    await subject.loads(dead)


async def _store(subject: Subject, sessions: Sequence[Session]) -> None:
    stored = await together(subject.storage.store_session(one) for one in sessions)
    same(stored, [True] * len(sessions), "the results of the stores")


async def _are_gone(subject: Subject, sessions: Sequence[Session]) -> None:
    for session in sessions:
        loaded = await subject.storage.load_session(session.id)
        same(loaded, None, f"load_session({session.id!r}) after the purge")


def _check_report(report: object, deleted: int, examined: int) -> None:
    true(isinstance(report, PurgeReport), f"purge_expired() returned a {type(report).__name__}")
    assert isinstance(report, PurgeReport)
    # Others may be at work on the same backend.
    true(report.deleted >= deleted, f"deleted {report.deleted}, of {deleted} at least")
    true(report.examined >= examined, f"examined {report.examined}, of {examined} at least")
