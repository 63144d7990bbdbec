"""No representation, log or error reporter shows an access token."""

import copy
import io
import json
import logging
import pickle
import traceback
from dataclasses import replace

import loguru
import pytest
import rich.console
import rich.pretty
import rich.traceback
import sentry_sdk
import sentry_sdk.transport
import structlog
from shopify_session_storage.access_tokens import access_token_from_session

from .shown_tokens import OFFLINE, ONLINE


@pytest.fixture(params=[OFFLINE, ONLINE], ids=["offline", "online"])
def token(request):
    return access_token_from_session(request.param)


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
