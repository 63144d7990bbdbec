"""What error reporters would print of an error: no token, of Shopify's or of a user."""

import asyncio

import pytest
from shopify_session_storage import SessionStorageError
from shopify_session_storage.access_tokens import AccessTokenError
from shopify_session_storage.testing.shopify import Fault

from ..scripted import DriverError
from .shops import DEAD, always, expire


def frames(error):
    """Give the frames of an error and of its causes and contexts, but for those of this test."""
    while error is not None:
        traceback = error.__traceback__
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename != __file__:
                yield traceback.tb_frame
            traceback = traceback.tb_next
        error = error.__cause__ or error.__context__


def secrets_in(error, *secrets):
    shown = repr(error) + repr(vars(error))
    for frame in frames(error):
        shown += "".join(f"{name}={value!r}\n" for name, value in frame.f_locals.items())
    return [secret for secret in secrets if secret in shown]


async def error_of(call):
    try:
        await call
    except (AccessTokenError, SessionStorageError) as error:
        return error


DOWN = DriverError("down")
FAILURES = {
    "rejected": ({}, [Fault(status=401, body=DEAD)]),
    "unavailable": ({}, always(status=503)),
    "malformed": ({}, [Fault(change={"refresh_token": None})]),
    "not stored": ({"store": lambda ids: DOWN}, []),
    "not loaded": ({"load": lambda ids: DOWN}, []),
    "not deleted": ({"delete": lambda ids: DOWN, "load": lambda ids: DOWN}, []),
}


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.asyncio
async def test_no_frame_shows_a_token(storage, fake, tokens, name, monkeypatch):
    saved = await tokens.save(fake.install("alpha"))
    monkeypatch.setattr(tokens._leases, "ttl", tokens._leases.ttl / 40)  # gives up storing sooner
    await expire(storage)
    verified = fake.verified("beta")
    given = fake.install("gamma")
    failing, faults = FAILURES[name]
    for shop in ("alpha", "beta"):
        fake.fail(shop, *faults)
    storage.failing = failing
    calls = [
        tokens.get("alpha"),
        tokens.get("alpha", refused=saved.access_token),
        tokens.get_or_exchange(verified),
        tokens.save(given),
        tokens.save(given | {"expires": "soon"}),
        tokens.load("alpha"),
        tokens.delete("alpha", only_if=saved.access_token),
        tokens.delete_shop("alpha"),
    ]
    errors = [error for call in calls if (error := await error_of(call)) is not None]
    assert len(errors) >= 3
    id_token = verified["id_token"]["token"]
    for error in errors:
        assert not secrets_in(error, "shpat_", "shprt_", id_token, fake.client_secret)


@pytest.mark.asyncio
async def test_an_error_of_a_refresh_that_many_wait_for_is_clean_for_each(tokens, fake, expired):
    fake.uninstall("alpha")
    results = await asyncio.gather(*(tokens.get("alpha") for _ in range(3)), return_exceptions=True)
    for error in results:
        assert not secrets_in(error, "shpat_", "shprt_")
