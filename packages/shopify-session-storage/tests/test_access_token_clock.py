"""A clock that differs from Shopify's is noticed once."""

from datetime import timedelta

import pytest
from shopify_session_storage.access_tokens import TokenRefreshUnavailable
from shopify_session_storage.testing import Fault

from .renewing import renew


@pytest.mark.parametrize(
    ("seconds", "which"), [(45, "behind"), (7200, "ahead of"), (86400, "behind")]
)
@pytest.mark.asyncio
async def test_a_wrong_clock_is_noticed_once(endpoint, fake, caplog, seconds, which):
    await renew(endpoint, fake, "alpha")
    assert not caplog.records
    fake.advance(timedelta(seconds=seconds if which == "behind" else -seconds))
    for number in range(3):
        await renew(endpoint, fake, "alpha")
        fake.fail("alpha", Fault(status=404))
        with pytest.raises(TokenRefreshUnavailable):
            await renew(endpoint, fake, "alpha")
        assert len(caplog.records) == 1, number
    assert any(f"about {seconds + off} s {which} Shopify's" in caplog.text for off in (-1, 0, 1))


@pytest.mark.asyncio
async def test_a_clock_that_is_right_or_unknown_is_no_matter(endpoint, fake, caplog):
    fake.advance(timedelta(seconds=20))
    for fault in (None, Fault(dropped=True), Fault(status=503)):
        if fault:
            fake.fail("alpha", *[fault] * 3)
            with pytest.raises(TokenRefreshUnavailable):
                await renew(endpoint, fake, "alpha")
        else:
            await renew(endpoint, fake, "alpha")
    assert not caplog.records
