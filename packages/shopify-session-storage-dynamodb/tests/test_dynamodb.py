"""What is particular to DynamoDB: round trips, the index, batches, connections, credentials."""

import asyncio
import logging
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import aioboto3
import boto3
import pytest
import pytest_asyncio
from aiobotocore.config import AioConfig
from botocore.config import Config
from servers import dynamodb as servers
from servers.discovery import free_port
from servers.disturbing import bear_cancellations, bear_cuts, follow_to_a_new_loop
from servers.proxy import Proxy
from shopify_session_storage import (
    CorruptSessionError,
    MigrationError,
    SessionStorageError,
    SessionStorageUnavailableError,
    open_session_storage,
)
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage_dynamodb import DynamoDBSessionStorage

from .between import failure
from .conftest import client_options

SHOP = "alpha.myshopify.com"
LOGGER = "shopify_session_storage.dynamodb"


def same(sessions, others) -> bool:
    return all(one.equals(other) for one, other in zip(sessions, others, strict=True))


# --- round trips ----------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_round_trips_of_each_call(make, between):
    async with make(between.url) as storage:
        assert between.operations == ["DescribeTable", "CreateTable", "GetItem"]
        many = [online_session(SHOP, user) for user in range(120)]
        ids = [one.id for one in many]
        await asyncio.gather(*map(storage.store_session, many))
        for call, operations in (
            (lambda: storage.store_session(many[0]), ["PutItem"]),
            (lambda: storage.load_session(ids[0]), ["GetItem"]),
            (lambda: storage.load_session("missing"), ["GetItem"]),
            (lambda: storage.find_sessions_by_shop("missing.example"), ["Query"]),
            (lambda: storage.find_sessions_by_shop(SHOP), ["Query"] + 2 * ["BatchGetItem"]),
            (lambda: storage.delete_session(ids[0]), ["DeleteItem"]),
            (lambda: storage.delete_sessions(ids[1:]), 5 * ["BatchWriteItem"]),
        ):
            between.operations.clear()
            await call()
            assert between.operations == operations
        between.operations.clear()
        await storage.ready()
        assert between.operations == ["GetItem"]
    async with make(between.url):
        assert between.operations[1:] == ["DescribeTable", "GetItem"]


@pytest.mark.asyncio
async def test_calls_that_wait_travel_together(make, between):
    async with make(between.url) as storage:
        many = [online_session(SHOP, user) for user in range(200)]
        between.operations.clear()
        await asyncio.gather(*map(storage.store_session, many))
        assert len(between.operations) <= 4 + 10
        between.operations.clear()
        assert same(many, await asyncio.gather(*(storage.load_session(one.id) for one in many)))
        assert len(between.operations) <= 4 + 4
        between.operations.clear()
        await asyncio.gather(*(storage.delete_session(one.id) for one in many))
        assert len(between.operations) <= 4 + 10
        assert await storage.find_sessions_by_shop(SHOP) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("consistent", [True, False])
async def test_reads_are_as_consistent_as_asked_for(make, between, consistent):
    asked = []

    async def spoil(operation, parameters, forward):
        if operation == "BatchGetItem":
            (of_table,) = parameters["RequestItems"].values()
            asked.append(of_table["ConsistentRead"])
        elif operation == "GetItem" and parameters["Key"]["id"]["S"] != "migrations":
            asked.append(parameters["ConsistentRead"])
        return await forward(parameters)

    between.spoil = spoil
    async with make(between.url, consistent_read=consistent) as storage:
        await storage.store_session(online_session(SHOP, 1))
        await storage.store_session(online_session(SHOP, 2))
        await storage.load_session(f"{SHOP}_1")
        assert len(await storage.find_sessions_by_shop(SHOP)) == 2
    assert asked == [consistent, consistent]


@pytest.mark.asyncio
async def test_shop_with_ten_thousand_sessions(storage):
    long = "s" * 100
    many = [offline_session(SHOP, id=f"{long}{user}") for user in range(10_000)]
    queries = []
    storage._client.meta.events.register(
        "before-call.dynamodb.Query", lambda **arguments: queries.append(arguments)
    )
    await asyncio.gather(*map(storage.store_session, many))
    found = await storage.find_sessions_by_shop(SHOP)
    assert len(queries) > 1  # a page has 1 MB at most
    assert sorted(one.id for one in found) == sorted(one.id for one in many)
    assert await storage.delete_sessions(one.id for one in many) is True
    assert await storage.find_sessions_by_shop(SHOP) == []


@pytest.mark.asyncio
async def test_sessions_of_the_largest_size(make, between):
    # An é takes two bytes. An answer of BatchGetItem has 16 MB at most, so it leaves some.
    many = [
        online_session(SHOP, user, access_token="é" * 140_000, scope="s" * 19_000)
        for user in range(60)
    ]
    async with make(between.url) as storage:
        for start in range(0, 60, 20):
            await asyncio.gather(*map(storage.store_session, many[start : start + 20]))
        between.operations.clear()
        found = {one.id: one for one in await storage.find_sessions_by_shop(SHOP)}
        assert between.operations.count("BatchGetItem") > 1
        assert same(many, [found[one.id] for one in many])


# --- the index ------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_find_drops_what_the_index_has_too_much(make, between):
    """The index is behind: a session is deleted, another one has moved to another shop."""
    async with make(between.url) as storage:
        here, gone = offline_session(SHOP), online_session(SHOP, 1)
        moved = offline_session("beta.myshopify.com")
        await asyncio.gather(*map(storage.store_session, (here, moved)))

        async def spoil(operation, parameters, forward):
            status, answer = await forward(parameters)
            if operation == "Query":
                answer["Items"] += [{"id": {"S": one.id}} for one in (gone, moved, here)]
            return status, answer

        between.spoil = spoil
        assert [one.id for one in await storage.find_sessions_by_shop(SHOP)] == [here.id]


def key_schema(*names: str) -> list[dict[str, str]]:
    kinds = ("HASH", "RANGE")[: len(names)]
    return [
        {"AttributeName": name, "KeyType": kind} for name, kind in zip(names, kinds, strict=True)
    ]


async def make_table(raw, table, keys=("id",), **indexes):
    names = {*keys, *(name for index in indexes.values() for name in index)}
    await raw.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in sorted(names)
        ],
        KeySchema=key_schema(*keys),
        **({} if not indexes else {
            "GlobalSecondaryIndexes": [
                {
                    "IndexName": name,
                    "KeySchema": key_schema(*index),
                    "Projection": {"ProjectionType": "ALL"},
                }
                for name, index in indexes.items()
            ]
        }),
    )  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("keys", "indexes", "problem"),
    [
        (("shop",), {"shop_index": ("shop",)}, "another key than id"),
        (("id", "shop"), {"shop_index": ("shop",)}, "another key than id"),
        (("id",), {}, "no global secondary index 'shop_index'.*update-table"),
        (("id",), {"other_index": ("shop",)}, "no global secondary index 'shop_index'"),
        (("id",), {"shop_index": ("state",)}, "another key than shop"),
        (("id",), {"shop_index": ("shop", "scope")}, "another key than shop"),
    ],
)
@pytest.mark.parametrize("create_table", [True, False])
async def test_table_of_another_kind_is_told(
    make, raw, table, keys, indexes, problem, create_table
):
    await make_table(raw, table, keys, **indexes)
    with pytest.raises(MigrationError, match=problem):
        await make(create_table=create_table).ready()


@pytest.mark.asyncio
async def test_tables_that_javascript_can_use_are_used(make, raw, table):
    await make_table(raw, table, ("id",), **{"by-shop": ("shop", "id")})
    async with make(create_table=False, shop_index_name="by-shop") as storage:
        session = offline_session(SHOP)
        await storage.store_session(session)
        assert same([session], await storage.find_sessions_by_shop(SHOP))


@pytest.mark.asyncio
async def test_missing_table_is_told_with_what_creates_it(make, raw, table):
    storage = make(create_table=False)
    with pytest.raises(MigrationError, match="create_table=True") as caught:
        await storage.load_session("id")
    _, _, command = str(caught.value).partition("aws dynamodb create-table ")
    assert f"--table-name {table} " in command
    assert "IndexName=shop_index,KeySchema=[{AttributeName=shop,KeyType=HASH}]" in command
    await make_table(raw, table, ("id",), shop_index=("shop",))
    async with storage:  # it has not given up
        await storage.store_session(offline_session(SHOP))
        await raw.delete_table(TableName=table)
        with pytest.raises(SessionStorageUnavailableError, match="create_table=True"):
            await storage.load_session("id")
    assert await make(create_table=False, on_error="log").load_session("id") is None


@pytest.mark.asyncio
async def test_created_table_is_as_documented(storage, raw, table):
    described = (await raw.describe_table(TableName=table))["Table"]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert described["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    (index,) = described["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "shop_index"
    assert index["KeySchema"] == [{"AttributeName": "shop", "KeyType": "HASH"}]
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}


@pytest.mark.asyncio
async def test_a_table_is_used_when_it_and_its_index_are_active(make, between, raw, table):
    """While a table is being created DescribeTable may deny it, and CreateTable claim it."""
    await make_table(raw, table, ("id",), shop_index=("shop",))
    states = iter([None, ("CREATING", "CREATING"), ("CREATING", "ACTIVE"), ("ACTIVE", "CREATING")])

    async def spoil(operation, parameters, forward):
        status, answer = await forward(parameters)
        if operation == "DescribeTable":
            state = next(states, ("ACTIVE", "ACTIVE"))
            if state is None:
                return failure("ResourceNotFoundException")
            answer["Table"]["TableStatus"] = state[0]
            answer["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"] = state[1]
        return status, answer

    between.spoil = spoil
    async with make(between.url):
        waited = ["DescribeTable", "CreateTable", *4 * ["DescribeTable"]]
        assert between.operations == [*waited, "GetItem"]


@pytest.mark.asyncio
async def test_account_without_the_right_to_describe_the_table(make, between, storage):
    message = "User: arn:aws:iam::123456789012:user/app is not authorized"

    async def spoil(operation, parameters, forward):
        if operation == "DescribeTable":
            return failure("AccessDeniedException", message)
        return await forward(parameters)

    between.spoil = spoil
    async with make(between.url, create_table=False) as other:
        await other.store_session(offline_session(SHOP))
        assert len(await other.find_sessions_by_shop(SHOP)) == 1


# --- many processes -------------------------------------------------------------------------------

# Forks, since it takes seconds to import the AWS SDK.
WRITERS = """
    import asyncio, os, sys
    from datetime import timedelta
    from shopify_session_storage.testing.sessions import online_session
    from shopify_session_storage_dynamodb import DynamoDBSessionStorage

    async def write(url, table, shop, number):
        storages = [
            DynamoDBSessionStorage(
                session_table_name=table, create_table=True, on_error="raise",
                timeout=timedelta(seconds=60),
                client_options=dict(endpoint_url=url, region_name="eu-west-1",
                                    aws_access_key_id="tester", aws_secret_access_key="sekret"),
            )
            for _ in range(3)
        ]
        await asyncio.gather(*(storage.ready() for storage in storages))
        mine = [online_session(shop, number * 1000 + n) for n in range(25)]
        shared = [online_session(shop, n) for n in range(10)]

        async def one(n):
            storage = storages[n % 3]
            await storage.store_session(mine[n])
            await storage.store_session(shared[n % 10])
            await storage.delete_session(shared[(n + number) % 10].id)
            if n % 2:
                await storage.delete_session(mine[n].id)
            await storage.store_session(shared[n % 10])

        await asyncio.gather(*map(one, range(25)))
        await asyncio.gather(*(storage.disconnect() for storage in storages))

    children = []
    for number in range(1, 9):
        children.append(os.fork())
        if not children[-1]:
            asyncio.run(write(*sys.argv[1:], number))
            os._exit(0)
    print([os.waitpid(child, 0)[1] for child in children])
"""


@pytest.mark.asyncio
async def test_eight_processes_create_the_table_and_lose_nothing(dynamodb_url, make, table):
    command = [sys.executable, "-c", textwrap.dedent(WRITERS), dynamodb_url, table, SHOP]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == f"{[0] * 8}\n", done.stderr
    async with make(create_table=False) as storage:
        ids = {f"{SHOP}_{number * 1000 + n}" for number in range(1, 9) for n in range(0, 25, 2)}
        shared = [f"{SHOP}_{n}" for n in range(10)]
        ids |= {id for id in shared if await storage.load_session(id) is not None}
        assert {one.id for one in await storage.find_sessions_by_shop(SHOP)} == ids


# --- batches and throttling -----------------------------------------------------------------------


def leaves(count: int):
    """Spoil batches: all but one item, and at most *count*, are left unprocessed."""

    async def spoil(operation, parameters, forward):
        if operation not in ("BatchGetItem", "BatchWriteItem"):
            return await forward(parameters)
        ((table, of_table),) = parameters["RequestItems"].items()
        if operation == "BatchWriteItem":
            done, left = of_table[count:] or of_table[:1], of_table[:count]
            left = [one for one in left if one not in done]
            status, answer = await forward({"RequestItems": {table: done}})
            answer["UnprocessedItems"] = {table: left} if left else {}
        else:
            keys = of_table["Keys"]
            done, left = keys[count:] or keys[:1], keys[:count]
            left = [one for one in left if one not in done]
            status, answer = await forward({"RequestItems": {table: {**of_table, "Keys": done}}})
            answer["UnprocessedKeys"] = {table: {**of_table, "Keys": left}} if left else {}
        return status, answer

    return spoil


@pytest.mark.asyncio
async def test_what_batches_leave_unprocessed_is_sent_again(make, between):
    many = [online_session(SHOP, user) for user in range(60)]
    async with make(between.url) as storage:
        between.spoil = leaves(10)
        assert all(await asyncio.gather(*map(storage.store_session, many)))
        assert same(many, await asyncio.gather(*(storage.load_session(one.id) for one in many)))
        assert len(await storage.find_sessions_by_shop(SHOP)) == 60
        assert await storage.delete_sessions(one.id for one in many[5:]) is True
        assert len(await storage.find_sessions_by_shop(SHOP)) == 5


@pytest.mark.asyncio
async def test_batches_that_do_not_move_are_given_up(make, between, caplog):
    many = [online_session(SHOP, user) for user in range(60)]
    async with make() as storage:
        await asyncio.gather(*map(storage.store_session, many))

    async def spoil(operation, parameters, forward):
        if operation == "BatchWriteItem":
            return 200, {"UnprocessedItems": parameters["RequestItems"]}
        if operation == "BatchGetItem":
            return 200, {"Responses": {}, "UnprocessedKeys": parameters["RequestItems"]}
        return await forward(parameters)

    limit = timedelta(seconds=10)
    async with (
        make(between.url, timeout=limit) as storage,
        make(between.url, timeout=limit, on_error="log") as logging_storage,
    ):
        between.spoil = spoil
        calls = (
            storage.find_sessions_by_shop(SHOP),
            storage.delete_sessions(one.id for one in many),
            logging_storage.find_sessions_by_shop(SHOP),
            logging_storage.delete_sessions(one.id for one in many),
        )
        results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results[:2]:
        assert isinstance(result, SessionStorageUnavailableError)
        assert "unprocessed after 6 s" in str(result)
    assert results[2:] == [[], False]
    assert caplog.text.count("unprocessed after 6 s") == 2


THROTTLED = failure("ThrottlingException", "Rate of requests exceeds the allowed throughput")


@pytest.mark.asyncio
@pytest.mark.parametrize("answer", [THROTTLED, failure("InternalServerError", "", 500), None])
async def test_passing_failures_are_repeated(make, between, answer):
    first, second, third = (online_session(SHOP, user) for user in range(3))
    async with make(between.url) as storage:
        await asyncio.gather(*map(storage.store_session, (first, second)))
        failed = set()

        async def spoil(operation, parameters, forward):
            if operation in failed:
                return await forward(parameters)
            failed.add(operation)
            return answer

        between.spoil = spoil
        loaded, stored, deleted, found = await asyncio.gather(
            storage.load_session(first.id),
            storage.store_session(third),
            storage.delete_session(second.id),
            storage.find_sessions_by_shop("beta.myshopify.com"),
        )
        assert failed == {"GetItem", "PutItem", "DeleteItem", "Query"}
        assert first.equals(loaded)
        assert (stored, deleted, found) == (True, True, [])
        assert len(await storage.find_sessions_by_shop(SHOP)) == 2


@pytest.mark.asyncio
async def test_lasting_failures_are_told(make, between):
    async def spoil(operation, parameters, forward):
        return THROTTLED

    async with make(between.url, timeout=timedelta(seconds=4)) as storage:
        between.spoil = spoil
        between.operations.clear()
        results = await asyncio.gather(
            storage.load_session("id"),
            storage.find_sessions_by_shop(SHOP),
            return_exceptions=True,
        )
    assert all(isinstance(one, SessionStorageUnavailableError) for one in results)
    assert between.operations.count("GetItem") >= 3


@pytest.mark.asyncio
async def test_configuration_of_the_user_is_added_to_ours(make, between):
    done = asyncio.Event()

    async def spoil(operation, parameters, forward):
        await done.wait()
        return await forward(parameters)

    once = {"total_max_attempts": 1}
    # Long enough for a busy machine to open the storage.
    for config in (Config(read_timeout=1, retries=once), AioConfig(read_timeout=1)):
        options = client_options(between.url, config=config)
        between.spoil = None
        async with make(client_options=options) as storage:
            between.operations.clear()
            between.spoil = spoil
            with pytest.raises(SessionStorageUnavailableError, match="ReadTimeoutError"):
                await storage.load_session("id")
            assert len(between.operations) == (1 if type(config) is Config else 3)
    done.set()


@pytest.mark.asyncio
async def test_session_that_another_index_refuses_fails_alone(make, raw, table):
    await make_table(raw, table, ("id",), shop_index=("shop",), mine=("state",))
    async with make() as storage:
        many = [online_session(SHOP, user, state="nonce") for user in range(40)]
        many[7] = online_session(SHOP, 7, state="", access_token="shpat_secret")
        results = await asyncio.gather(*map(storage.store_session, many), return_exceptions=True)
        assert [n for n, result in enumerate(results) if result is not True] == [7]
        assert type(results[7]).__name__ == "ItemRefusedError"
        assert not isinstance(results[7], SessionStorageUnavailableError)
        assert "secret" not in f"{results[7]} {results[7].__cause__} {vars(results[7].__cause__)}"
        assert len(await storage.find_sessions_by_shop(SHOP)) == 39


# --- connections ----------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def proxy(dynamodb_url):
    parts = urlsplit(dynamodb_url)
    async with Proxy(parts.hostname, parts.port) as proxy:
        yield proxy


@pytest.mark.asyncio
async def test_lost_connections_never_reach_the_caller(make, proxy):
    async with make(f"http://127.0.0.1:{proxy.port}") as storage:
        await bear_cuts(storage, proxy.cut, times=2)


@pytest.mark.asyncio
async def test_storage_survives_a_restart_of_the_server(make):
    port = free_port()
    once = AioConfig(retries={"total_max_attempts": 1})
    with tempfile.TemporaryDirectory() as name:
        server = servers.serve(Path(name), port, "-dbPath", name)
        options = client_options(server.__enter__(), config=once)
        async with make(client_options=options) as storage:
            many = [online_session(SHOP, user) for user in range(50)]
            await asyncio.gather(*map(storage.store_session, many))
            await asyncio.to_thread(server.__exit__, None, None, None)
            with pytest.raises(SessionStorageUnavailableError, match="Could not connect"):
                await storage.load_session(many[0].id)
            assert await storage.is_ready() is False
            with servers.serve(Path(name), port, "-dbPath", name):
                assert same(many, await asyncio.gather(*(storage.load_session(o.id) for o in many)))
                assert await storage.store_session(many[0]) is True


@pytest.mark.asyncio
async def test_cancelled_calls_never_mix_up_answers(storage):
    await bear_cancellations(storage, times=60)


@pytest.mark.asyncio
async def test_cancelled_store_is_never_overtaken_by_the_next(make, between):
    """The server gets the older version late, as over a slow connection."""
    versions = [offline_session(SHOP) for _ in range(2)]

    async def spoil(operation, parameters, forward):
        if operation == "PutItem":
            under_way.set()
            if parameters["Item"]["accessToken"]["S"] == versions[0].access_token:
                await asyncio.sleep(0.3)
        return await forward(parameters)

    async with make(between.url) as storage:
        under_way = asyncio.Event()
        between.spoil = spoil
        older = asyncio.ensure_future(storage.store_session(versions[0]))
        await under_way.wait()
        older.cancel()
        await asyncio.sleep(0)
        assert await storage.store_session(versions[1]) is True
        assert older.cancelled()
        await asyncio.sleep(0.4)
        assert versions[1].equals(await storage.load_session(versions[1].id))


def test_storage_follows_to_a_new_event_loop_without_disconnect(make):
    follow_to_a_new_loop(make())


@pytest.mark.asyncio
async def test_session_of_the_user_serves_other_clients_afterwards(make, dynamodb_url):
    session = aioboto3.Session("tester", "sekret", region_name="eu-west-1")
    options = {"endpoint_url": dynamodb_url}
    async with session.client("dynamodb", **options) as client:
        async with make(session=session, client_options=options) as storage:
            assert await storage.store_session(offline_session(SHOP)) is True
        assert "TableNames" in await client.list_tables()
    async with make(session=session, client_options=options) as storage:
        assert len(await storage.find_sessions_by_shop(SHOP)) == 1


# --- arguments and URLs ---------------------------------------------------------------------------


def test_bad_arguments_are_refused():
    for name in ("", "ab", "a" * 256, "a/b", "tablé", "arn:aws:dynamodb:eu-west-1:1:table/name"):
        with pytest.raises(ValueError, match="session_table_name"):
            DynamoDBSessionStorage(session_table_name=name)
        with pytest.raises(ValueError, match="shop_index_name"):
            DynamoDBSessionStorage(shop_index_name=name)
    for arguments in (
        {"session_table_name": None},
        {"shop_index_name": 7},
        {"session": "eu-west-1"},
        {"session": boto3.Session()},
        {"create_table": "false"},
        {"consistent_read": 1},
        {"client_options": {"no_such_option": 1}},
        {"client_options": {"service_name": "s3"}},
        {"client_options": {"config": {"read_timeout": 1}}},
        {"client_options": {"endpoint_url": 8000}},
    ):
        with pytest.raises(TypeError):
            DynamoDBSessionStorage(**arguments)
    with pytest.raises(ValueError, match="on_error"):
        DynamoDBSessionStorage(on_error="ignore")
    for endpoint in (
        "localhost:8000",
        "ftp://host",
        "http://",
        "http://u:sekret@host",
        "http://h:x",
    ):
        with pytest.raises(ValueError, match="endpoint_url") as caught:
            DynamoDBSessionStorage(client_options={"endpoint_url": endpoint})
        assert "sekret" not in str(caught.value)
    assert repr(DynamoDBSessionStorage()) == "<DynamoDBSessionStorage on shopify_sessions>"


@pytest.mark.asyncio
async def test_storage_by_url(dynamodb_url, table, make, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sekret")
    url = f"dynamodb://eu-west-1/{table}?endpoint_url={dynamodb_url}&shop_index_name=by-shop"
    with pytest.raises(MigrationError, match="IndexName=by-shop"):
        await open_session_storage(url).ready()
    session = offline_session(SHOP)
    async with open_session_storage(f"{url}&create_table=true", on_error="raise") as storage:
        await storage.store_session(session)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    async with open_session_storage(
        f"dynamodb:///?endpoint_url={dynamodb_url}",
        session_table_name=table,
        shop_index_name="by-shop",
        client_options={"verify": False},
    ) as storage:
        assert session.equals(await storage.load_session(session.id))


@pytest.mark.parametrize(
    "rest",
    ["region/ta/ble", "key:sekret@region/table", "region:8000/table", "region/table#f", "Région/t",
     "region/table?create_table=sekret", "region/table?password=sekret", "region/table?sekret",
     "region/table?endpoint_url=sekret", "[sekret/table"],
)  # fmt: skip
def test_bad_url_is_refused_without_showing_it(rest):
    with pytest.raises(ValueError, match=r"DynamoDB|session_table_name|endpoint_url") as caught:
        open_session_storage(f"dynamodb://{rest}")
    assert "sekret" not in f"{caught.value!r} {caught.value.__cause__}"


# --- what failures tell, and what they do not -----------------------------------------------------


@pytest.fixture
def _no_aws(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.asyncio
@pytest.mark.usefixtures("_no_aws")
async def test_missing_credentials_and_region_are_told():
    with pytest.raises(SessionStorageUnavailableError, match=r"NoRegionError.*AWS_DEFAULT_REGION"):
        await DynamoDBSessionStorage().ready()
    storage = DynamoDBSessionStorage(client_options={"region_name": "eu-west-1"})
    with pytest.raises(SessionStorageUnavailableError, match=r"NoCredentials.*AWS_ACCESS_KEY_ID"):
        await storage.ready()
    assert await storage.load_session("id") is None


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
