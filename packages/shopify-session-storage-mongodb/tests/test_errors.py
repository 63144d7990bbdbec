"""Errors show nothing of what was sent, and mean the same without it."""

import asyncio
import logging
import pickle
from dataclasses import replace

import pytest
from bson.errors import InvalidDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure
from shopify_session_storage import SessionStorageError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_mongodb import MongoDBSessionStorage

from .between import always, write_error
from .conftest import SHOP, assert_shows_no

SESSION = offline_session(SHOP)
NEWER = replace(SESSION, access_token="shpat_newer", refresh_token="shprt_newer")
MANY = [online_session(SHOP, user) for user in range(20)]
SECRET = {"accessToken": "shpat_secret"}


@pytest.mark.parametrize(
    ("error", "described"),
    [
        (
            DuplicateKeyError(
                'E11000 duplicate key error index: x dup key: { x: "shpat_secret" }',
                11000, {"code": 11000, "keyValue": SECRET, "op": {"u": SECRET}},
            ),
            "DuplicateKeyError (11000 DuplicateKey): E11000 duplicate key error index: x dup key:",
        ),
        (
            OperationFailure(
                'not authorized on a to execute command { find: "shpat_secret" }', 13, {"a": SECRET}
            ),
            "OperationFailure (13 Unauthorized): not authorized on a to execute command",
        ),
        (
            BulkWriteError({"writeErrors": [{"code": 121, "op": SECRET}]}),
            "BulkWriteError (121 DocumentValidationFailure): batch op errors occurred",
        ),
        (InvalidDocument("cannot encode object: shpat_secret", SECRET), "InvalidDocument"),
    ],
)  # fmt: skip
def test_errors_show_nothing_of_what_was_sent(error, described):
    assert "secret" in str(error)
    storage = MongoDBSessionStorage("mongodb://host/db")
    assert storage._describe(error) == described
    storage._scrub(error)
    assert storage._describe(error) == described
    assert_shows_no(error, "secret")


@pytest.mark.parametrize(
    "error",
    [
        OperationFailure(
            "refused {'token': 'shpat_secret'}", 10107, {"code": 10107, "x": "shpat_secret"}
        ),
        DuplicateKeyError("dup key: 'shpat_secret'", 11000, {"keyValue": "shpat_secret"}),
        BulkWriteError({"writeErrors": [{"code": 112, "index": 3, "op": "shpat_secret"}]}),
        BulkWriteError(
            {"writeErrors": [], "writeConcernErrors": [{"code": 91, "errmsg": "shpat_secret"}]}
        ),
    ],
)
def test_errors_mean_the_same_without_their_details_and_can_be_pickled(error):
    storage = MongoDBSessionStorage("mongodb://host/db")
    verdict = storage._verdict(error)
    storage._scrub(error)
    copy = pickle.loads(pickle.dumps(error))
    assert storage._verdict(error) is storage._verdict(copy) is verdict
    assert b"secret" not in pickle.dumps(error)


@pytest.mark.asyncio
async def test_refused_writes_show_no_token(make, between, caplog):
    caplog.set_level(logging.DEBUG, "shopify_session_storage")
    text = f"cannot write {NEWER.access_token}"
    async with make(1) as storage:
        for code in (121, 10107, 424_242):
            between.refuse = always(write_error(code, f"{{ token: '{text}' }}"))
            sessions = [replace(one, access_token=NEWER.access_token) for one in MANY]
            results = await asyncio.gather(
                *map(storage.store_session, sessions),
                storage.compare_and_store(NEWER, SESSION),
                storage.compare_and_delete(NEWER),
                return_exceptions=True,
            )
            for error in results:
                assert isinstance(error, SessionStorageError)
                shown = f"{error!r} {error.__cause__!r} {vars(error.__cause__)!r}".encode()
                shown += pickle.dumps(error.__cause__)
                assert NEWER.access_token.encode() not in shown
    assert NEWER.access_token not in caplog.text
