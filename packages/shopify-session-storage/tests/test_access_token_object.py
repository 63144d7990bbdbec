"""The access token that callers get: typed, in the shape of Shopify's package, and never shown."""

import asyncio
import copy
import io
import json
import logging
import pickle
import traceback
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime, timedelta

import loguru
import pytest
import rich.console
import rich.pretty
import rich.traceback
import sentry_sdk
import sentry_sdk.transport
import structlog
from shopify_app import ClientCredentialsAccessToken, ShopifyApp, TokenExchangeAccessToken, User
from shopify_session_storage import AssociatedUser, OnlineAccessInfo, Session
from shopify_session_storage.access_tokens import (
    AccessToken,
    AccessTokenStore,
    access_token_from_session,
    session_from_access_token,
)
from shopify_session_storage.testing import FakeShopify

from .scripted import ScriptedStorage

ACCESS, REFRESH = "shpat_0123456789abcdef", "shprt_0123456789abcdef"
NOW = datetime.now(UTC).replace(microsecond=0)
OFFLINE = Session(
    id="offline_alpha.myshopify.com",
    shop="alpha.myshopify.com",
    state="",
    is_online=False,
    scope="read_orders",
    expires=NOW + timedelta(hours=1),
    access_token=ACCESS,
    refresh_token=REFRESH,
    refresh_token_expires=NOW + timedelta(days=90),
)
ADA = AssociatedUser(7, "Ada", "Osei", "ada@shop.example", True, False, False, "en")
ONLINE = Session(
    id="alpha.myshopify.com_7",
    shop="alpha.myshopify.com",
    state="",
    is_online=True,
    scope="read_orders",
    expires=NOW + timedelta(hours=24),
    access_token=ACCESS,
    online_access_info=OnlineAccessInfo(ADA, associated_user_scope="read_orders"),
)


@pytest.fixture(params=[OFFLINE, ONLINE], ids=["offline", "online"])
def token(request):
    return access_token_from_session(request.param)


def test_has_the_attributes_of_shopifys_package():
    token = access_token_from_session(OFFLINE)
    theirs = TokenExchangeAccessToken(**dict(token))
    for field in fields(TokenExchangeAccessToken):
        assert getattr(token, field.name) == getattr(theirs, field.name) == token[field.name]
    assert (token.token, token.refresh_token) == (ACCESS, REFRESH)
    assert datetime.fromisoformat(token.expires) == OFFLINE.expires
    user = access_token_from_session(ONLINE).user
    assert (user.id, user.first_name, user.scope) == (7, "Ada", "read_orders")
    assert User(**asdict(user)) == User(**access_token_from_session(ONLINE)["user"])


def test_is_read_only_and_can_be_told_what_it_has(token):
    for change in (
        lambda: setattr(token, "token", "x"),
        lambda: setattr(token, "unknown", "x"),
        lambda: token.__setitem__("token", "x"),
        lambda: token.__delitem__("token"),
    ):
        with pytest.raises((AttributeError, TypeError)):
            change()
    with pytest.raises(KeyError):
        token["client_secret"]
    assert list(token) == list(token.keys()) == list(dict(token))
    assert "token" in token
    assert "client_secret" not in token
    assert json.loads(json.dumps(dict(token))) == dict(token)  # plain data


def test_client_credentials_have_no_refresh_token():
    given = ClientCredentialsAccessToken(
        "alpha", ACCESS, OFFLINE.expires.isoformat(), "", "offline", None
    )
    session = session_from_access_token(given)
    token = access_token_from_session(session)
    assert token.refresh_token is token.refresh_token_expires is None
    assert ClientCredentialsAccessToken(**dict(token)) == given
    for again in (token, copy.copy(token), pickle.loads(pickle.dumps(token)), replace(token)):
        assert session_from_access_token(again).equals(session)


def test_comes_back_as_the_same_session():
    for session in (OFFLINE, ONLINE):
        token = access_token_from_session(session)
        for given in (token, dict(token), copy.deepcopy(token), asdict(token)):
            assert session_from_access_token(given).equals(session)
        assert token == copy.copy(token)
        assert hash(token) == hash(copy.copy(token))
        assert token != replace(token, token="other")


@pytest.mark.asyncio
async def test_shopifys_package_takes_it():
    with FakeShopify() as fake:
        app = ShopifyApp(fake.client_id, fake.client_secret)
        first = access_token_from_session(session_from_access_token(fake.install("alpha")))
        result = app.refresh_token_exchanged_access_token(first)
        assert (result.ok, result.log.code) == (True, "token_still_valid")
        past = (NOW - timedelta(minutes=1)).isoformat()
        async with fake.client() as client:
            result = await app.refresh_token_exchanged_access_token_async(
                replace(first, expires=past), http_client=client
            )
        assert result.ok
        assert result.access_token.token != first.token
        assert result.access_token.user is None


# --- what shows -------------------------------------------------------------------------------


def copies(token):
    yield token
    yield copy.copy(token)
    yield copy.deepcopy(token)
    yield replace(token, expires=None)
    yield pickle.loads(pickle.dumps(token))


def is_hidden(text):
    assert "shpat_" not in text
    assert "shprt_" not in text
    assert "ada@" not in text


def test_no_representation_shows_a_token(token):
    assert "alpha" in repr(token)
    for each in copies(token):
        for text in (repr(each), str(each), f"{each}", f"{each!r:s}", f"{[each]}", repr(each.user)):
            is_hidden(text)
        with pytest.raises(TypeError):  # what serializers fall back on
            vars(each)
        with pytest.raises(TypeError):
            json.dumps(each)


def fail(token):
    held, nested = token, {"token": token, "list": [token]}
    raise RuntimeError("it failed", held.shop, len(nested))


def failure(token):
    try:
        fail(token)
    except RuntimeError as error:
        return error
    raise AssertionError


class Collected(sentry_sdk.transport.Transport):
    def __init__(self):
        super().__init__()
        self.sent = []

    def capture_envelope(self, envelope):
        self.sent.append(envelope.serialize().decode())


def sent_by_sentry(work):
    collected = Collected()
    client = sentry_sdk.Client(dsn="http://key@127.0.0.1:1/1", transport=collected)
    with sentry_sdk.isolation_scope() as scope:
        scope.set_client(client)
        work(scope)
        client.flush()
    client.close()
    return "".join(collected.sent)


def test_sentry_shows_none(token):
    def work(scope):
        scope.set_extra("token", token)
        scope.set_context("tokens", {"token": token, "list": [token]})
        scope.add_breadcrumb(message="got", data={"token": token})
        scope.capture_exception(failure(token))

    sent = sent_by_sentry(work)
    assert "it failed" in sent
    assert "AccessToken shop=" in sent  # they were there
    is_hidden(sent)


def test_structlog_shows_none(token):
    processors, dev = structlog.processors, structlog.dev
    without_rich = structlog.tracebacks.ExceptionDictTransformer(use_rich=False)
    for chain in (
        [processors.dict_tracebacks, processors.JSONRenderer()],
        [processors.ExceptionRenderer(without_rich), processors.JSONRenderer()],
        [processors.format_exc_info, processors.JSONRenderer()],
        [processors.format_exc_info, processors.KeyValueRenderer()],
        [processors.format_exc_info, processors.LogfmtRenderer()],
        [dev.ConsoleRenderer(colors=False)],  # with rich's tracebacks
        [dev.ConsoleRenderer(exception_formatter=dev.plain_traceback)],
    ):
        event = {"event": "it", "token": token, "exc_info": failure(token)}
        for processor in chain:
            event = processor(None, "error", event)
        assert "AccessToken" in event
        is_hidden(event)


def test_rich_shows_none(token):
    console = rich.console.Console(file=io.StringIO(), width=200)
    console.print(token, [token], {"token": token})
    console.print(rich.pretty.Pretty(token))
    console.print(
        rich.traceback.Traceback.from_exception(
            *(lambda error: (type(error), error, error.__traceback__))(failure(token)),
            show_locals=True,
        )
    )
    rich.inspect(failure(token), console=console)
    shown = console.file.getvalue()
    assert "AccessToken" in shown
    is_hidden(shown)


def test_loguru_and_logging_show_none(token, caplog):
    written = io.StringIO()
    handler = loguru.logger.add(written)  # diagnose=True is its default
    try:
        loguru.logger.opt(exception=failure(token)).error("it failed with {}", token)
    finally:
        loguru.logger.remove(handler)
    logging.getLogger("app").error("%s %r", token, token, exc_info=failure(token))
    shown = written.getvalue()
    assert "AccessToken" in shown
    is_hidden(shown + caplog.text)
    captured = traceback.TracebackException.from_exception(failure(token), capture_locals=True)
    is_hidden("".join(captured.format()))


def test_it_is_what_the_store_returns():
    async def main():
        with FakeShopify() as fake:
            async with ScriptedStorage() as storage:
                tokens = AccessTokenStore(storage)
                await tokens.save(fake.install("alpha"))
                return await tokens.get("alpha")

    assert type(asyncio.run(main())) is AccessToken
