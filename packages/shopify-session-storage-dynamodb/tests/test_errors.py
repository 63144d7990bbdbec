"""Errors show nothing of what was sent, and mean the same without it."""

import asyncio
import logging
import pickle
from dataclasses import replace

import botocore.exceptions
import pytest
from aiobotocore.config import AioConfig
from shopify_session_storage import CorruptSessionError, SessionStorageError
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_dynamodb import DynamoDBSessionStorage

from .between import failure
from .conftest import SHOP, client_options

LOGGER = "shopify_session_storage.dynamodb"
SESSION_TOKEN = "session-token-of-the-credentials"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "answer",
    [
        failure(
            "ValidationException", "Value '{item={accessToken=shpat_secret}}' at 'item' failed"
        ),
        failure("SerializationException", "cannot read shpat_secret"),
        failure("InvalidSignatureException", f"x-amz-security-token:{SESSION_TOKEN}\nshpat_secret"),
        failure("SomethingNewException", "shpat_secret"),
        None,
    ],
)
async def test_failures_show_neither_tokens_nor_credentials(make, between, answer, caplog):
    options = client_options(
        between.url,
        aws_session_token=SESSION_TOKEN,
        config=AioConfig(retries={"total_max_attempts": 1}),
    )
    sessions = [online_session(SHOP, user, access_token="shpat_secret") for user in range(20)]
    caplog.set_level(logging.INFO)
    logging.getLogger(LOGGER).setLevel(logging.DEBUG)
    async with make(client_options=options) as storage:

        async def spoil(operation, parameters, forward):
            return answer

        between.spoil = spoil
        failures = await asyncio.gather(
            *map(storage.store_session, sessions), return_exceptions=True
        )
    async with make(on_error="log") as storage:
        storage._client.meta.events.register("before-send", _break)
        assert await storage.store_session(sessions[0]) is False
    shown = caplog.text
    for error in failures:
        assert isinstance(error, SessionStorageError)
        shown += _all_of(error)
    for secret in ("shpat_secret", SESSION_TOKEN, "AWS4-HMAC"):
        assert secret not in shown


def _break(**arguments) -> None:
    raise OSError("shpat_secret")


def _all_of(error: BaseException | None) -> str:
    """Return all that an error and its causes hold."""
    if error is None:
        return ""
    own = f"{error} {error!r} {error.args} {vars(error)}"
    return own + _all_of(error.__cause__) + _all_of(error.__context__)


@pytest.mark.asyncio
async def test_unreadable_item_is_told_without_its_values(storage, make, raw, table, caplog):
    bad = {"id": {"S": "it"}, "shop": {"S": SHOP}, "accessToken": {"S": "shpat_secret"}}
    await raw.put_item(TableName=table, Item=bad)
    with pytest.raises(CorruptSessionError, match="'it' cannot be read: state is missing"):
        await storage.load_session("it")
    with pytest.raises(CorruptSessionError):
        await storage.find_sessions_by_shop(SHOP)
    good = offline_session("beta.myshopify.com")
    await storage.store_session(good)
    results = await asyncio.gather(
        *map(storage.load_session, ["a", "b", "c", "d", good.id, "it", "missing"]),
        return_exceptions=True,
    )
    assert good.equals(results[4])
    assert isinstance(results[5], CorruptSessionError)
    assert results[6] is None
    assert "secret" not in _all_of(results[5])
    async with make(on_error="log") as logging_storage:
        assert await logging_storage.load_session("it") is None
    assert "cannot be read" in caplog.text
    assert "secret" not in caplog.text
    await storage.store_session(replace(good, id="it"))  # replaces it
    assert await storage.delete_session("it") is True


SECRET = {"Item": {"accessToken": {"S": "shpat_secret"}}}


@pytest.mark.parametrize(
    "error",
    [
        botocore.exceptions.ClientError(
            {
                "Error": {"Code": "ValidationException", "Message": "shpat_secret"},
                "ResponseMetadata": {"HTTPHeaders": {"x": "shpat_secret"}, "RetryAttempts": 2},
                **SECRET,
            },
            "PutItem",
        ),
        botocore.exceptions.ClientError(
            {"Error": {"Code": "ThrottlingException", "Message": "slow"}, **SECRET}, "PutItem"
        ),
        botocore.exceptions.HTTPClientError(request=SECRET, response=SECRET, error="shpat_secret"),
        botocore.exceptions.ReadTimeoutError(
            endpoint_url="https://a", request=SECRET, error=OSError("shpat_secret")
        ),
        botocore.exceptions.EndpointConnectionError(
            endpoint_url="https://a", error=OSError("shpat_secret")
        ),
        botocore.exceptions.ParamValidationError(report="shpat_secret"),
        botocore.exceptions.CredentialRetrievalError(provider="p", error_msg="shpat_secret"),
        OSError("shpat_secret"),
    ],
)
def test_errors_can_be_pickled_and_carry_no_request(error):
    storage = DynamoDBSessionStorage()
    described, verdict = storage._describe(error), storage._verdict(error)
    storage._scrub(error)
    copy = pickle.loads(pickle.dumps(error))
    for one in (error, copy):
        assert (storage._describe(one), storage._verdict(one)) == (described, verdict)
        assert "secret" not in f"{one} {one!r} {vars(one)!r}"
    assert b"secret" not in pickle.dumps(error)
