"""Reads the golden data: what the official JavaScript adapters stored, and what they load."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shopify_session_storage import Session, SessionStorage


def load(path: Path) -> Any:
    """Return the contents of a golden JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def session(data: dict[str, Any]) -> Session:
    """Make a session from ``Session.toObject()`` with dates in milliseconds."""
    dates: dict[str, Any] = {
        key: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=data[key])
        for key in ("expires", "refreshTokenExpires")
        if key in data
    }
    return Session.from_dict({**data, **dates})


def assert_same(actual: Session | None, expected: dict[str, Any] | None, what: str) -> None:
    """Check that a session is what JavaScript loads, field by field."""
    if expected is None:
        assert actual is None, what
    else:
        assert actual is not None, what
        assert actual.to_dict() == session(expected).to_dict(), what


async def assert_loads(storage: SessionStorage, expected: dict[str, Any]) -> None:
    """Check that all that the storage loads and finds is what JavaScript does."""
    for id, data in expected["loadSession"].items():
        assert_same(await storage.load_session(id), data, id)
    for shop, sessions in expected["findSessionsByShop"].items():
        found = {one.id: one for one in await storage.find_sessions_by_shop(shop)}
        assert sorted(found) == sorted(data["id"] for data in sessions), shop
        for data in sessions:
            assert_same(found[data["id"]], data, data["id"])


def without_artefacts(expected: Any) -> Any:
    """Take out what JavaScript makes of NULL in a table of Prisma: the text "null", and a NaN."""
    if isinstance(expected, dict):
        return {
            key: without_artefacts(value)
            for key, value in expected.items()
            if value not in ("null", {"$number": "NaN"})
        }
    if isinstance(expected, list):
        return [without_artefacts(one) for one in expected]
    return expected
