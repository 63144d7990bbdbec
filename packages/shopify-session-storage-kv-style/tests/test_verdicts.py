"""What the storage does about each answer that is no good."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from shopify_session_storage import SessionStorageUnavailableError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_kv_style import CloudflareKVError, KVSessionStorage

from .conftest import Plain, refusal

SOON = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
NEVER = "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"  # more than Python can hold
HTML = {"status": 502, "body": "<html>Bad gateway</html>", "headers": {}}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "planned",
    [
        [refusal(429, 10429, **{"Retry-After": "1"}), refusal(429, 10429)],
        [refusal(503, 1, **{"Retry-After": SOON}), refusal(500, 1, **{"Retry-After": "soon"})],
        [HTML, {"status": 599, "body": "", "headers": {"Retry-After": "-1"}}],
        [refusal(429, 10429, **{"Retry-After": NEVER})],
    ],
)
async def test_what_passes_is_waited_for(storage, shop, faults, planned):
    session = offline_session(shop)
    await faults(*planned)
    assert await storage.store_session(session) is True
    await faults(*planned)
    assert session.equals(await storage.load_session(session.id))
    assert len(await storage.find_sessions_by_shop(shop)) == 1


@pytest.mark.asyncio
async def test_keys_that_a_bulk_call_leaves_out_are_sent_again(storage, shop, faults):
    many = [online_session(shop, user) for user in range(10)]
    none = {}
    # Of a group: the reads, the list, the sessions.
    await storage.store_session(many[0])
    await faults(none, {"unsuccessful": True}, {"unsuccessful": True})
    first = storage.store_session(many[0])
    assert all(await asyncio.gather(first, *map(storage.store_session, many[1:])))
    assert len(await storage.find_sessions_by_shop(shop)) == 10
    await faults(none, {"unsuccessful": True}, {"unsuccessful": True})
    assert await storage.delete_sessions(one.id for one in many) is True
    assert await storage.load_session(many[0].id) is None
    assert await storage.find_sessions_by_shop(shop) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("planned", "match", "status", "code"),
    [
        ([refusal(429, 10429, **{"Retry-After": "300"})], "HTTP 429, code 10429: too many", 429,
         10429),
        ([refusal(401, 10000)], "401, code 10000: the API token is not accepted", 401, 10000),
        ([refusal(403, 9109)], "403, code 9109: the API token is not accepted for", 403, 9109),
        ([refusal(404, 10013)], "there is no such namespace", 404, 10013),
        ([refusal(404, 7003)], "there is no such account or namespace", 404, 7003),
        ([{"status": 404, "body": "null", "headers": {}}], "HTTP 404", 404, None),
        ([refusal(400, 10048)], "daily limit", 400, 10048),
        ([{"status": 302, "body": "", "headers": {"Location": "/"}}], "HTTP 302", 302, None),
    ],
)  # fmt: skip
async def test_what_does_not_pass_is_told_at_once(
    storage, shop, faults, planned, match, status, code
):
    await faults(*planned)
    with pytest.raises(SessionStorageUnavailableError, match=match) as caught:
        await storage.load_session(offline_session(shop).id)
    error = caught.value.__cause__
    assert isinstance(error, CloudflareKVError)
    assert (error.status, error.code) == (status, code)
    assert await storage.load_session(offline_session(shop).id) is None  # it was one request


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(None, "lost"), (401, "denied"), (403, "denied"), (404, "unavailable"), (400, "unavailable"),
     (413, "data"), (429, "unavailable"), (500, "unavailable"), (503, "unavailable")],
)  # fmt: skip
def test_every_status_has_a_meaning(status, verdict):
    assert KVSessionStorage()._verdict(CloudflareKVError("of the test", status)) == verdict


@pytest.mark.asyncio
async def test_lost_connection_of_a_namespace_of_ones_own_is_tried_once_more(raw, shop):
    class Lossy(Plain):
        left = 0

        async def get(self, key):
            if self.left:
                self.left -= 1
                raise ConnectionResetError("of the test")
            return await self.namespace.get(key)

    namespace = Lossy(raw)
    storage = KVSessionStorage(namespace, on_error="raise")
    session = offline_session(shop)
    await storage.store_session(session)
    namespace.left = 1
    assert session.equals(await storage.load_session(session.id))
    namespace.left = 2
    with pytest.raises(SessionStorageUnavailableError, match="ConnectionResetError"):
        await storage.load_session(session.id)


@pytest.mark.asyncio
@pytest.mark.parametrize("body", ["<html>", "[]", '{"result":[]}', '{"result":{"values":[]}}'])
async def test_answer_that_is_not_the_apis_is_a_failure(storage, shop, faults, body):
    await storage.store_session(offline_session(shop))
    await storage.store_session(online_session(shop))
    await faults({}, {"status": 200, "body": body, "headers": {}})
    with pytest.raises(SessionStorageUnavailableError, match="does not come from Cloudflare's API"):
        await storage.find_sessions_by_shop(shop)
