"""What DynamoDB and the AWS SDK answer in production: throttling, silence, rights, credentials."""

import asyncio
import os
import pickle
import re
import time
from dataclasses import replace
from datetime import timedelta

import botocore.exceptions
import pytest
from aiobotocore.config import AioConfig
from shopify_session_storage import (
    MigrationError,
    SessionStorageError,
    SessionStorageUnavailableError,
)
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_dynamodb import DynamoDBSessionStorage
from shopify_session_storage_dynamodb.items import item_of

from .between import failure
from .conftest import client_options

SHOP = "alpha.myshopify.com"
SESSION = offline_session(SHOP)
NEWER = replace(SESSION, access_token="shpat_newer", refresh_token="shprt_newer")
MANY = [online_session(SHOP, user) for user in range(30)]
MINUTE = timedelta(minutes=1)
# A busy machine must get as far as to open the storage.
ONCE = AioConfig(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5)

CONFLICTS = [
    "ProvisionedThroughputExceededException", "ReplicatedWriteConflictException",
    "RequestLimitExceeded", "ThrottlingException", "TransactionConflictException",
    "TransactionInProgressException",
]  # fmt: skip


def times(count: int, answer, operations=None):
    """Spoil the first requests, of a kind."""
    left = [count]

    async def spoil(operation, parameters, forward):
        if left[0] > 0 and (operations is None or operation in operations):
            left[0] -= 1
            return answer
        return await forward(parameters)

    return spoil


@pytest.fixture
def without_retries(make, between):
    """Return what makes a storage whose SDK repeats nothing by itself."""

    def make_one(**options):
        return make(client_options=client_options(between.url, config=ONCE), **options)

    return make_one


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("code", CONFLICTS)
async def test_passing_refusals_reach_no_caller(without_retries, between, code):
    async with without_retries() as storage:
        for work, expected in (
            (lambda: storage.store_session(SESSION), True),
            (lambda: storage.compare_and_store(NEWER, SESSION), True),
            (lambda: storage.load_session("missing"), None),
            (lambda: storage.find_sessions_by_shop("missing.example"), []),
            (lambda: storage.compare_and_delete(NEWER), True),
            (lambda: storage.acquire_lease("name", "holder", MINUTE), True),
            (lambda: storage.release_lease("name", "holder"), None),
            (lambda: storage.delete_session(SESSION.id), True),
            (lambda: asyncio.gather(*map(storage.store_session, MANY)), [True] * 30),
            (lambda: storage.delete_sessions(one.id for one in MANY), True),
        ):
            between.spoil = times(3, failure(code))
            assert await work() == expected


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "code", [*CONFLICTS, "InternalServerError", "ServiceUnavailable", "SomethingNewException"]
)
async def test_lasting_refusal_is_not_held_against_the_session(without_retries, between, code):
    """AccessTokenStore goes on trying to store a pair of tokens only then."""
    async with without_retries(timeout=timedelta(seconds=0.4)) as storage:
        between.spoil = times(10**9, failure(code))
        for work in (storage.store_session(SESSION), storage.compare_and_store(SESSION, None)):
            with pytest.raises(SessionStorageUnavailableError):
                await work


@pytest.mark.asyncio
@pytest.mark.parametrize("expected", [None, SESSION])
async def test_comparison_whose_tries_end_in_throttling_is_not_lost_if_one_took_effect(
    make, between, expected
):
    tries = []

    async def spoil(operation, parameters, forward):
        if operation != "PutItem":
            return await forward(parameters)
        tries.append(operation)
        if len(tries) == 1:
            await forward(parameters)
            return None
        return failure("ThrottlingException") if len(tries) <= 3 else await forward(parameters)

    async with make(between.url, timeout=timedelta(seconds=20)) as storage:
        if expected is not None:
            await storage.store_session(expected)
        between.spoil = spoil
        assert await storage.compare_and_store(NEWER, expected) is True
        assert NEWER.equals(await storage.load_session(SESSION.id))


# --- compare_and_delete ---------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_compared_deletes_have_each_their_own_answer(make, between, raw, table):
    async with make(between.url) as storage:
        await asyncio.gather(*map(storage.store_session, MANY))
        newer = [replace(one, refresh_token="newer") for one in MANY[::2]]
        await asyncio.gather(*map(storage.store_session, newer))
        null = {**item_of(MANY[1]), "accessToken": {"NULL": True}}
        await raw.put_item(TableName=table, Item=null)
        between.operations.clear()
        deleted = await asyncio.gather(*map(storage.compare_and_delete, MANY))
        assert between.operations == ["DeleteItem"] * 30
        assert deleted == [number % 2 == 1 and number != 1 for number in range(30)]
        assert not await storage.compare_and_delete(replace(MANY[1], access_token=""))
        assert await storage.compare_and_delete(replace(MANY[1], access_token=None))
        remaining = {one.id for one in await storage.find_sessions_by_shop(SHOP)}
        assert remaining == {one.id for one in newer}
        assert await storage.compare_and_delete(MANY[1])  # it is not there


@pytest.mark.asyncio
async def test_compared_delete_whose_answer_is_lost_is_done(make, between):
    lost = []

    async def spoil(operation, parameters, forward):
        answer = await forward(parameters)
        if operation == "DeleteItem" and not lost:
            lost.append(answer)
            return None
        return answer

    async with make(between.url) as storage:
        await storage.store_session(SESSION)
        between.spoil = spoil
        assert await storage.compare_and_delete(SESSION) is True
        assert lost
        assert await storage.load_session(SESSION.id) is None


# --- rights ---------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_missing_right_is_named_at_once(make, between):
    async with make(between.url) as storage:
        await storage.store_session(MANY[0])
        for operation, work in (
            ("GetItem", lambda: storage.load_session(SESSION.id)),
            ("PutItem", lambda: storage.store_session(SESSION)),
            ("PutItem", lambda: storage.compare_and_store(SESSION, None)),
            ("DeleteItem", lambda: storage.delete_session(SESSION.id)),
            ("DeleteItem", lambda: storage.compare_and_delete(SESSION)),
            ("Query", lambda: storage.find_sessions_by_shop(SHOP)),
        ):
            between.spoil = times(10**9, failure("AccessDeniedException"), [operation])
            between.operations.clear()
            with pytest.raises(SessionStorageUnavailableError, match=f"right dynamodb:{operation}"):
                await work()
            assert between.operations == [operation]


@pytest.mark.asyncio
@pytest.mark.parametrize("operation", ["DescribeTable", "CreateTable"])
async def test_account_that_may_not_create_the_table_is_told_what_to_run(make, between, operation):
    message = "User: arn:aws:iam::123456789012:user/app is not authorized"
    between.spoil = times(10**9, failure("AccessDeniedException", message), [operation])
    with pytest.raises(MigrationError, match=f"{operation}.*{message}.*create-table"):
        await make(between.url, create_table=True).ready()


# --- silence --------------------------------------------------------------------------------------


def each_call(storage):
    return [
        storage.load_session(SESSION.id),
        storage.find_sessions_by_shop(SHOP),
        storage.store_session(SESSION),
        storage.delete_session(MANY[0].id),
        storage.delete_sessions([MANY[1].id, MANY[2].id]),
        storage.compare_and_store(MANY[3], None),
        storage.compare_and_delete(MANY[4]),
        storage.acquire_lease("name", "holder", MINUTE),
        storage.release_lease("other", "holder"),
    ]


@pytest.fixture
def silence(between):
    """Return an event that ends the silence of the server, which begins with it."""
    speaks = asyncio.Event()

    async def spoil(operation, parameters, forward):
        await speaks.wait()
        return await forward(parameters)

    def begin():
        between.spoil = spoil
        return speaks

    yield begin
    speaks.set()


@pytest.mark.asyncio
async def test_silent_server_holds_no_call_for_longer_than_its_limit(make, between, silence):
    async with make(between.url, timeout=timedelta(seconds=2)) as storage:
        await storage.store_session(SESSION)
        speaks = silence()
        began = time.monotonic()
        results = await asyncio.gather(*each_call(storage), return_exceptions=True)
        assert time.monotonic() - began < 4
        assert all(isinstance(result, SessionStorageUnavailableError) for result in results)
        assert await storage.is_ready() is False
        speaks.set()
        between.spoil = None
        async with asyncio.timeout(30):
            while not await storage.is_ready():
                await asyncio.sleep(0.1)
        assert SESSION.equals(await storage.load_session(SESSION.id))


@pytest.mark.asyncio
async def test_silent_connection_is_given_up_for_a_new_one(make, between):
    async with make(between.url, timeout=timedelta(seconds=2)) as storage:
        await storage.store_session(SESSION)
        forever = asyncio.Event()
        silent = [True]

        async def spoil(operation, parameters, forward):
            if silent:
                silent.clear()
                await forever.wait()
            return await forward(parameters)

        between.spoil = spoil
        assert SESSION.equals(await storage.load_session(SESSION.id))
        forever.set()


@pytest.mark.asyncio
async def test_limit_of_the_caller_ends_a_call_at_once(make, between, silence):
    async with make(between.url, timeout=timedelta(seconds=2)) as storage:
        speaks = silence()
        for call in each_call(storage):
            began = time.monotonic()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await call
            assert time.monotonic() - began < 1
        speaks.set()


# --- processes ------------------------------------------------------------------------------------


def test_children_of_a_process_with_a_running_loop_connect_anew(make):
    storage = make()

    async def in_child(number: int) -> None:
        async with asyncio.timeout(30):
            await storage.store_session(MANY[number])
            assert MANY[number].equals(await storage.load_session(MANY[number].id))
            await storage.disconnect()

    async def main() -> list[int]:
        await storage.store_session(SESSION)
        children = []
        for number in range(4):
            child = os.fork()
            if not child:
                status = 1
                try:
                    asyncio._set_running_loop(None)
                    asyncio.set_event_loop(None)
                    asyncio.run(in_child(number))
                    status = 0
                finally:
                    os._exit(status)
            children.append(child)
        statuses = [(await asyncio.to_thread(os.waitpid, child, 0))[1] for child in children]
        assert SESSION.equals(await storage.load_session(SESSION.id))
        assert len(await storage.find_sessions_by_shop(SHOP)) == 5
        await storage.disconnect()
        return statuses

    assert asyncio.run(main()) == [0] * 4


# --- credentials ----------------------------------------------------------------------------------

CONFIG = """
[profile sso]
sso_session = company
sso_account_id = 123456789012
sso_role_name = developer
[profile old_sso]
sso_start_url = https://company.awsapps.com/start
sso_region = us-east-1
sso_account_id = 123456789012
sso_role_name = developer
[sso-session company]
sso_start_url = https://company.awsapps.com/start
sso_region = us-east-1
[profile source]
role_arn = arn:aws:iam::123456789012:role/app
source_profile = nowhere
[profile half]
aws_access_key_id = AKIAEXAMPLE
[profile identity]
role_arn = arn:aws:iam::123456789012:role/app
web_identity_token_file = /nowhere/token
[profile loop]
role_arn = arn:aws:iam::123456789012:role/app
source_profile = loop2
[profile loop2]
role_arn = arn:aws:iam::123456789012:role/app
source_profile = loop
[profile unknown]
role_arn = arn:aws:iam::123456789012:role/app
credential_source = Moon
[profile process]
credential_process = sh -c "echo shpat_secret >&2; exit 1"
"""


@pytest.fixture
def aws_config(monkeypatch, tmp_path):
    """Set up a machine with the profiles above, and no credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text(CONFIG)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return tmp_path / "config"


async def failure_of(profile: str, monkeypatch) -> SessionStorageError:
    monkeypatch.setenv("AWS_PROFILE", profile)
    options = {"endpoint_url": "http://127.0.0.1:9"}
    storage = DynamoDBSessionStorage(client_options=options, on_error="raise")
    with pytest.raises(SessionStorageUnavailableError) as caught:
        await storage.load_session("offline_a")
    await storage.disconnect()
    return caught.value


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("profile", "told"),
    [
        ("sso", "SSO Token.*aws sso login"),
        ("old_sso", "SSO.*aws sso login"),
        ("source", "nowhere"),
        ("half", "aws_secret_access_key"),
        ("identity", "/nowhere/token"),
        ("loop", "loop"),
        ("unknown", "Moon|source"),
        ("absent", "config profile .absent. could not be found"),
    ],
)
async def test_why_credentials_fail_is_said(aws_config, monkeypatch, profile, told):
    error = await failure_of(profile, monkeypatch)
    _, _, message = str(error).partition("offline_a")
    assert re.search(told, message), message
    pickle.loads(pickle.dumps(error.__cause__))


@pytest.mark.asyncio
async def test_config_file_that_cannot_be_read_is_named(aws_config, monkeypatch):
    aws_config.write_text("[profile broken\nthis is = no = config [")
    error = await failure_of("broken", monkeypatch)
    assert str(aws_config) in str(error)


@pytest.mark.asyncio
async def test_what_a_credential_process_prints_is_not_told(aws_config, monkeypatch):
    error = await failure_of("process", monkeypatch)
    assert "CredentialRetrievalError" in str(error)
    shown = (
        f"{error!r} {error.__cause__!r} {vars(error.__cause__)!r} {error.__cause__.__context__!r}"
    )
    assert "secret" not in shown
    assert b"secret" not in pickle.dumps(error.__cause__)


# --- what errors keep -----------------------------------------------------------------------------

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
