"""What each answer of Shopify's token endpoint means: asked through Shopify's own package.

The tables in the guide and in ``access_tokens/answers.py`` are what these tests see;
``WRITE_TABLES=1 pytest test_access_token_answers.py`` writes them anew.
"""

import asyncio
import os
import re
from datetime import timedelta
from pathlib import Path

import pytest
from shopify_app import ShopifyApp
from shopify_session_storage.access_tokens import (
    AccessTokenError,
    MalformedTokenResponse,
    ReauthorizationRequired,
    ShopUnavailable,
    TokenRefreshUnavailable,
    answers,
    session_from_access_token,
)
from shopify_session_storage.access_tokens.calls import Endpoint, RefreshTokenRejected
from shopify_session_storage.testing import FakeShopify, Fault

from .faults import changed, error

DOMAIN = "alpha.myshopify.com"
_TABLE = re.compile(r"\| answer to a refresh .*(?:\n\|.*)*")

LONG, LONGER = 32 * 86400, 3 * 365 * 86400  # too long for an access, for a refresh token
CANNOT_BE = [
    *(changed(access_token=value) for value in (None, "", 5, "two words", "shpat_\n")),
    *(changed(expires_in=value) for value in (None, 0, -1, "3600", 1e400, LONG, 10**9, [])),
    *(changed(refresh_token=value) for value in (None, "", 5)),
    *(changed(refresh_token_expires_in=value) for value in (None, 0, -1, "9", LONGER, 10**12)),
    changed(scope=5),
    *(Fault(granted=True, body=body) for body in ("cut off", "", "null", "7", ["shpat_1"], {})),
    Fault(granted=True, body="<html>Log in to the airport's network</html>"),
]

# The answers that one row is about: each of them a kind of fault, or None for no fault.
ROWS = {
    "200, complete": [None],
    "200 without `scope`": [changed(scope=None), changed(scope="")],
    "200 without another field, with one that cannot be, or no JSON": CANNOT_BE,
    "400 or 401 `invalid_grant`, 401 `invalid_request`": [
        error(400, "invalid_grant"),
        error(401, "invalid_grant"),
        error(401, "invalid_request", "This request requires an active refresh_token"),
    ],
    "402, 403, 404, 423": [
        Fault(status=402, body={"errors": "Unavailable Shop"}),
        Fault(status=403, body={"errors": "Forbidden"}),
        Fault(status=404, body={"errors": "Not Found"}),
        Fault(status=404, body="<html>Sorry, this shop is currently unavailable.</html>"),
        Fault(status=423, body={"errors": "Locked"}),
        error(403, "invalid_grant"),
    ],
    "429": [Fault(status=429, headers={"Retry-After": "60"}), Fault(status=429)],
    "500 to 504": [Fault(status=status) for status in range(500, 505)],
    "any other 5xx, no answer, a lost connection": [
        *(Fault(status=status) for status in (505, 520, 525, 530, 599)),
        error(520, "invalid_grant"),
        Fault(dropped=True),
        Fault(stalled=True),
    ],
    "400 or 401 `invalid_client`, any other status": [
        error(400, "invalid_client"),
        error(401, "invalid_client"),
        error(400, "invalid_request"),
        *(Fault(status=status) for status in (204, 302, 400, 401, 405, 408, 410, 418, 451)),
    ],
}
EXAMPLES = [(row, number) for row, faults in ROWS.items() for number in range(len(faults))]

# What is seen, in a word; what becomes of it; what a caller gets once the old token has expired.
MEANINGS = {
    "stored": ("stored", "the new token"),
    "scope kept": ("stored; the scope stays as it was", "the new token"),
    "malformed": ("malformed: nothing is changed", "`MalformedTokenResponse`, with `.fields`"),
    "rejected": (
        "rejected: read again; if no newer pair is there, final, and not tried again",
        "`ReauthorizationRequired`; `get_or_exchange` exchanges the ID token",
    ),
    "shop unavailable": (
        (
            "the shop is frozen, closed or locked: left alone for a quarter of an hour, "
            "or until a merchant opens the app"
        ),
        "`ShopUnavailable`, a `TokenRefreshUnavailable`",
    ),
    "unavailable for a while": (
        "asked again when `Retry-After` has passed, or left alone until then",
        "`TokenRefreshUnavailable`, with `.retry_after`",
    ),
    "unavailable": (
        "asked again, by three requests in all, then left alone for up to a minute",
        "`TokenRefreshUnavailable`",
    ),
}


async def seen(endpoint, fake, fault):
    """Return the meaning of an answer, and how many requests one call of the package took."""
    session = session_from_access_token(fake.install("alpha"))
    if fault is not None:
        fake.fail("alpha", *[fault] * 3)
    fake.requests.clear()
    new = failure = None
    try:
        new = await endpoint.renew(session)
    except (RefreshTokenRejected, AccessTokenError) as error:
        failure = error
    requests = fake.requests[DOMAIN]
    fake.release("alpha")
    fake._faults.clear()
    fake._stalled.clear()
    if isinstance(failure, RefreshTokenRejected):
        assert failure.status in (400, 401)
        return "rejected", requests
    if isinstance(failure, MalformedTokenResponse):
        assert failure.status == 200
        return "malformed", requests
    if isinstance(failure, TokenRefreshUnavailable):
        assert (failure.requests, failure.status) == (requests, fault.status)
        if isinstance(failure, ShopUnavailable):
            assert failure.retry_after == timedelta(minutes=15)
            return "shop unavailable", requests
        return "unavailable for a while" if failure.status == 429 else "unavailable", requests
    assert failure is None
    assert fake.takes_refresh_token("alpha", new.refresh_token)
    assert new.access_token != session.access_token
    assert new.scope == session.scope
    return "scope kept" if fault else "stored", requests


# What each row means; the tables are written from this, and it from what was seen.
EXPECTED = {
    "200, complete": ("stored", 1),
    "200 without `scope`": ("scope kept", 1),
    "200 without another field, with one that cannot be, or no JSON": ("malformed", 1),
    "400 or 401 `invalid_grant`, 401 `invalid_request`": ("rejected", 1),
    "402, 403, 404, 423": ("shop unavailable", 1),
    "429": ("unavailable for a while", 1),
    "500 to 504": ("unavailable", 3),
    "any other 5xx, no answer, a lost connection": ("unavailable", 1),
    "400 or 401 `invalid_client`, any other status": ("unavailable", 1),
}


@pytest.mark.parametrize(("row", "number"), EXAMPLES)
@pytest.mark.asyncio
async def test_answer(endpoint, fake, row, number):
    if ROWS[row][number] == Fault(stalled=True):
        endpoint._timeout = timedelta(seconds=0.2)
    assert await seen(endpoint, fake, ROWS[row][number]) == EXPECTED[row]


def tables(rows):
    """Return the guide's table and the docstring's."""
    long = ["| answer to a refresh | verdict | once the old token has expired |"]
    short = ["| answer to a refresh | verdict | requests |"]
    for table in (long, short):
        table.append("| --- | --- | --- |")
    for row, (meaning, requests) in rows.items():
        long.append(f"| {row} | {' | '.join(MEANINGS[meaning])} |")
        short.append(f"| {row} | {meaning} | {requests} |")
    return "\n".join(long), "\n".join(short)


def test_the_tables_say_what_is_seen():
    async def look():
        rows = {}
        with FakeShopify() as fake:
            async with fake.client() as client:
                app = ShopifyApp(fake.client_id, fake.client_secret)
                for row, faults in ROWS.items():
                    endpoint = Endpoint(app, client, timedelta(seconds=5))
                    rows[row] = await seen(endpoint, fake, faults[0])
        return rows

    rows = asyncio.run(look())
    assert rows == EXPECTED
    guide = Path(__file__).parents[3] / "tools/docs/guides/access-tokens.md"
    places = zip((guide, Path(answers.__file__)), tables(rows), strict=True)
    for path, table in places:
        if path == guide and not path.exists():
            continue  # of the repository, not of the package
        text = path.read_text(encoding="utf-8")
        place = _TABLE.search(text)
        new = text[: place.start()] + table + text[place.end() :]
        if os.environ.get("WRITE_TABLES"):
            path.write_text(new, encoding="utf-8")
        else:
            assert new == text, f"write {path.name} anew with WRITE_TABLES=1"


@pytest.mark.asyncio
async def test_an_exchange_and_a_migration_have_the_same_verdicts(endpoint, fake):
    legacy = session_from_access_token(fake.install("alpha", expiring=False))

    async def exchange():
        await endpoint.exchange(DOMAIN, "offline", fake.verified("alpha"))

    async def migrate():
        await endpoint.migrate(legacy)

    for call in (exchange, migrate):
        for fault, kind in (
            (Fault(status=404), ShopUnavailable),
            (Fault(status=402), ShopUnavailable),
            (Fault(status=503), TokenRefreshUnavailable),
            (Fault(dropped=True), TokenRefreshUnavailable),
            (changed(expires_in=10**9), MalformedTokenResponse),
            (error(400, "invalid_subject_token"), ReauthorizationRequired),
        ):
            legacy = session_from_access_token(fake.install("alpha", expiring=False))
            fake.fail("alpha", *[fault] * 3)
            with pytest.raises(kind) as caught:
                await call()
            assert type(caught.value) is kind
            assert caught.value.status == (fault.status or (200 if fault.change else None))
            fake._faults.clear()
