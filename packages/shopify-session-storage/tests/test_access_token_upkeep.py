"""What is done for all shops: one shop's trouble is that shop's alone, and each is reported."""

import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from shopify_app import ShopifyApp
from shopify_session_storage import CorruptSessionError, SessionPage, SessionStorageUnavailableError
from shopify_session_storage.access_tokens import (
    AccessTokenError,
    AccessTokenStore,
    MalformedTokenResponse,
    ReauthorizationRequired,
    Report,
    ShopUnavailable,
    TokenRefreshUnavailable,
    access_token_from_session,
    session_from_access_token,
    upkeep,
)
from shopify_session_storage.access_tokens.stored_shops import StoredShops
from shopify_session_storage.testing import FakeShopify, Fault

from .scripted import DriverError

NO_SHOPS = ["no shop at all", "", "alpha.evil.example", None, 7, b"alpha"]


def domain(shop):
    return f"{shop}.myshopify.com"


def id_of(shop):
    return f"offline_{domain(shop)}"


@pytest_asyncio.fixture
async def tokens(storage, fake):
    app = ShopifyApp(fake.client_id, fake.client_secret)
    async with (
        fake.client() as client,
        AccessTokenStore(
            storage, app, http_client=client, request_timeout=timedelta(seconds=2)
        ) as tokens,
    ):
        yield tokens


async def fill(storage, fake, shops, *, expiring=False, **change):
    for shop in shops:
        token = session_from_access_token(fake.install(shop, expiring=expiring))
        await storage.store_session(replace(token, **change))


def soon(**time):
    return datetime.now(UTC) + timedelta(**time)


def unreadable(*shops):
    """Let the rows of some shops be ones that cannot be read."""
    ids = set(map(id_of, shops))
    return lambda asked: CorruptSessionError("row 7 is no session") if ids & set(asked) else None


def cut_off(*shops):
    ids = set(map(id_of, shops))
    return lambda asked: DriverError("gone") if ids & set(asked) else None


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [(unreadable, CorruptSessionError), (cut_off, SessionStorageUnavailableError)],
)
@pytest.mark.asyncio
async def test_a_shop_that_cannot_be_read_ends_nothing(tokens, storage, fake, trouble, kind):
    shops = [f"shop-{number}" for number in range(7)]
    asked = [*shops[:3], *NO_SHOPS, *shops[3:]]
    await fill(storage, fake, shops)
    storage.failing["load"] = trouble("shop-1", "shop-5")
    bad = {domain("shop-1"), domain("shop-5")}
    good = {domain(shop) for shop in shops} - bad

    found = [due async for due in tokens.iter_refresh_due(asked)]
    assert {due.shop for due in found if due.reason == "never_expires"} == good
    failed = {due.shop: due.error for due in found if due.reason == "failed"}
    assert len(failed) == len(bad) + len(NO_SHOPS)
    assert all(type(failed[shop]) is kind for shop in bad)

    report = await tokens.migrate_to_expiring(asked, per_second=1000)
    assert set(report.done) == good
    assert {shop for shop in report.failed if shop.startswith("shop-")} == bad
    assert len(report.failed) == len(bad) + len(NO_SHOPS)
    assert all(type(report.failed[shop]) is kind for shop in bad)
    assert isinstance(report.failed["no shop at all"], ValueError)
    assert isinstance(report.failed["7"], TypeError)
    assert bad.isdisjoint(report.again) == (kind is CorruptSessionError)

    later = {"expiring": True, "expires": soon(minutes=-1), "refresh_token_expires": soon(days=3)}
    storage.failing.clear()
    await fill(storage, fake, shops, **later)
    storage.failing["load"] = trouble("shop-1", "shop-5")
    report = await tokens.keep_warm(asked, per_second=1000)
    assert set(report.done) == good
    assert len(report.failed) == len(bad) + len(NO_SHOPS)


@pytest.mark.asyncio
async def test_a_report_says_what_is_final_keeps_no_token_and_can_be_pickled(tokens, storage, fake):
    ways = {
        "rejected": Fault(status=400, body={"error": "invalid_subject_token"}),
        "closed": Fault(status=404, body={"errors": "Not Found"}),
        "down": Fault(status=503),
        "busy": Fault(status=429, headers={"Retry-After": "60"}),
        "odd": Fault(granted=False, body={"access_token": "shpat_1"}),
    }
    for shop, fault in ways.items():
        await fill(storage, fake, [shop])
        fake.fail(shop, *[fault] * 20)
    await fill(storage, fake, ["well", "unreadable"])
    await fill(storage, fake, ["modern"], expiring=True)
    storage.failing["load"] = unreadable("unreadable")
    shops = [*ways, "well", "unreadable", "modern", "nobody", "no shop at all"]
    report = await tokens.migrate_to_expiring(shops, per_second=1000)

    kinds = {shop.partition(".")[0]: type(error) for shop, error in report.failed.items()}
    assert kinds == {
        "rejected": ReauthorizationRequired,
        "closed": ShopUnavailable,
        "down": TokenRefreshUnavailable,
        "busy": TokenRefreshUnavailable,
        "odd": MalformedTokenResponse,
        "unreadable": CorruptSessionError,
        "no shop at all": ValueError,
    }
    assert report.failed[domain("closed")].status == 404
    assert report.failed[domain("busy")].status == 429
    assert report.failed[domain("down")].status == 503
    again = pickle.loads(pickle.dumps(report))
    assert (again.done, sorted(again.skipped)) == (
        [domain("well")],
        [domain("modern"), domain("nobody")],
    )
    for error in (*report.failed.values(), *again.failed.values()):
        assert error.__traceback__ is error.__cause__ is error.__context__ is None
    for each in (report, again):
        names = [shop.partition(".")[0] for shop in each.final]
        assert names == ["rejected", "closed", "unreadable", "no shop at all"]
    assert again.again == [domain(shop) for shop in ("down", "busy", "odd")]
    assert b"shp" not in pickle.dumps(report)

    fake._faults.clear()
    rerun = await tokens.migrate_to_expiring(report.again, per_second=1000)
    assert set(rerun.done) == {domain(shop) for shop in ("down", "busy", "odd")}


@pytest.mark.asyncio
async def test_a_shared_error_keeps_its_traceback():
    session = session_from_access_token(FakeShopify().install("alpha"))
    shared = TokenRefreshUnavailable(
        "later", shop=domain("alpha"), access_token=access_token_from_session(session)
    )

    async def work(shop):
        raise shared

    report = await upkeep.migrate_to_expiring(["alpha"], work, 1000)
    assert report.failed[domain("alpha")].access_token is None
    assert shared.access_token is not None
    assert shared.__traceback__ is not None


@pytest.mark.asyncio
async def test_what_nobody_foresaw_ends_nothing_either():
    class LocalError(Exception):
        """One that cannot be pickled."""

    async def work(shop):
        if shop == domain("b"):
            raise LocalError("shpat_secret")
        return True

    report = await upkeep.migrate_to_expiring(["a", "b", "c"], work, 1000)
    assert report.done == [domain("a"), domain("c")]
    error = pickle.loads(pickle.dumps(report)).failed[domain("b")]
    assert type(error) is AccessTokenError
    assert "LocalError" in str(error)
    assert "shpat" not in str(error)


@pytest.mark.asyncio
async def test_a_shop_named_twice_is_done_once():
    asked = []

    async def work(shop):
        asked.append(shop)
        return True

    names = ["alpha", "https://ALPHA.myshopify.com", domain("alpha"), "beta"]
    report = await upkeep.migrate_to_expiring(names, work, 1000)
    assert asked == report.done == [domain("alpha"), domain("beta")]


@pytest.mark.asyncio
async def test_all_shops_of_a_storage(storage, fake):
    """By pages, as scan_sessions() gives them; what is unreadable is that shop's alone."""
    for shop in ("a", "b", "c"):
        await fill(storage, fake, [shop])
    offline = [storage.rows[id_of(shop)] for shop in "abc"]
    online = replace(offline[0], id=f"{domain('a')}_7", is_online=True)
    pages = [
        SessionPage([offline[0], online], [id_of("x"), f"{domain('y')}_7"], "1"),
        SessionPage([], [], "2"),
        SessionPage([offline[2], offline[1], offline[0]], [], None),
    ]

    async def scan():
        for page in pages:
            yield page

    asked = []

    async def work(shop):
        asked.append(shop)
        return True

    report = await upkeep.migrate_to_expiring(StoredShops(scan()), work, 1000)
    assert asked == report.done == [domain(shop) for shop in "acb"]
    assert {shop: type(error) for shop, error in report.failed.items()} == {
        domain("x"): CorruptSessionError
    }
    assert list(report.final) == [domain("x")]


@pytest.mark.asyncio
async def test_what_a_wrong_clock_may_have_ended_is_tried_all_the_same(tokens, storage, fake):
    past = {"expires": soon(minutes=-1)}
    await fill(storage, fake, ["ended"], expiring=True, refresh_token_expires=soon(days=-1), **past)
    await fill(storage, fake, ["lost"], expiring=True, refresh_token_expires=soon(days=-9), **past)
    found = {due.shop: due.reason async for due in tokens.iter_refresh_due(["ended", "lost"])}
    assert found == {domain("ended"): "refresh_token", domain("lost"): "lost"}


@pytest.mark.asyncio
async def test_a_refresh_token_whose_end_is_not_stored_is_kept_warm(tokens, storage, fake):
    """As doctor says: the next refresh stores it. Until then it may end any day."""
    await fill(storage, fake, ["idle"], expiring=True, refresh_token_expires=None,
               expires=soon(minutes=-1))  # fmt: skip
    await fill(storage, fake, ["busy"], expiring=True, refresh_token_expires=None)
    await fill(storage, fake, ["bare"], expiring=True, refresh_token_expires=None,
               refresh_token=None, expires=soon(minutes=-1))  # fmt: skip
    shops = ["idle", "busy", "bare"]
    found = {due.shop: due.reason async for due in tokens.iter_refresh_due(shops)}
    assert found == {domain("idle"): "refresh_token", domain("bare"): "access_token"}
    assert (await tokens.keep_warm(shops, per_second=1000)).done == [domain("idle")]
    assert storage.rows[id_of("idle")].refresh_token_expires > soon(days=89)
    assert fake.requests == {domain("idle"): 1}


@pytest.mark.parametrize("call", ["keep_warm", "migrate_to_expiring"])
@pytest.mark.asyncio
async def test_wrong_arguments_are_told_at_once(tokens, call):
    many = getattr(tokens, call)
    for shops in ("alpha", b"alpha", 5):
        with pytest.raises(TypeError, match="shops"):
            await many(shops)
        with pytest.raises(TypeError, match="shops"):
            tokens.iter_refresh_due(shops)
    for per_second in ("5", None, True, timedelta(seconds=1)):
        with pytest.raises(TypeError, match="per_second"):
            await many(["alpha"], per_second=per_second)
    for per_second in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="per_second"):
            await many(["alpha"], per_second=per_second)
    with pytest.raises(TypeError, match="refresh_token_within"):
        tokens.iter_refresh_due(["alpha"], refresh_token_within=14)
    with pytest.raises(ValueError, match="refresh_token_within"):
        tokens.iter_refresh_due(["alpha"], refresh_token_within=timedelta(days=-1))


def test_an_empty_report():
    assert (Report().final, Report().again) == ({}, [])


@pytest.mark.asyncio
async def test_each_shop_is_told_as_soon_as_it_is_done_with(tokens, storage, fake):
    shops = [f"shop-{number}" for number in range(6)]
    await fill(storage, fake, shops)
    fake.uninstall(shops[1])
    fake.fail(shops[2], *[Fault(status=503)] * 9)
    fake.fail(shops[3], *[Fault(status=404)] * 9)
    storage.failing["load"] = unreadable(shops[4])
    told = []
    report = await tokens.migrate_to_expiring(
        [*shops, "not a shop"], per_second=1000, on_result=told.append
    )
    outcomes = {result.shop: result.outcome for result in told}
    assert outcomes == {
        domain("shop-0"): "done",
        domain("shop-1"): "reauthorize",
        domain("shop-2"): "again",
        domain("shop-3"): "closed",
        domain("shop-4"): "unreadable",
        domain("shop-5"): "done",
        "not a shop": "no_shop",
    }
    assert all((one.error is None) == (one.outcome in ("done", "skipped")) for one in told)
    assert report.counts == {"done": 2} | dict.fromkeys(set(outcomes.values()) - {"done"}, 1)
    assert (report.done, report.skipped, report.failed) == ([], [], {})
    kept = await tokens.migrate_to_expiring([shops[0], shops[5]], per_second=1000)
    assert kept.counts == {"skipped": 2}
    assert len(kept.skipped) == 2


@pytest.mark.asyncio
async def test_what_cannot_be_written_down_ends_the_run(tokens, storage, fake):
    shops = [f"shop-{number}" for number in range(40)]
    await fill(storage, fake, shops)
    told = []

    def write(result):
        told.append(result.shop)
        if len(told) == 3:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        await tokens.migrate_to_expiring(shops, per_second=20, on_result=write)
    assert sum(fake.requests.values()) < len(shops)
    with pytest.raises(TypeError, match="on_result"):
        await tokens.keep_warm(shops, on_result="file.txt")
