"""Sessions as JSON text, for the layouts that keep a property array."""

import pytest
from shopify_session_storage import CorruptSessionError, dump_session_json, read_session_json
from shopify_session_storage.testing.sessions import offline_session, online_session

START = '[["id","i"],["shop","s"],["state",""],["isOnline",false]'


def test_text_is_that_of_json_stringify():
    session = offline_session("é.example", access_token='"\\/\n\x01\x7f\u2028😀', refresh_token="")
    assert dump_session_json(session) == (
        '[["id","offline_é.example"],["shop","é.example"],["state","nonce"],["isOnline",false],'
        '["scope","read_products,write_orders"],["expires",1935817689000],'
        '["accessToken","\\"\\\\/\\n\\u0001\x7f\u2028😀"],["refreshToken",""],'
        '["refreshTokenExpires",1943578921000]]'
    )


def test_what_is_dumped_is_read():
    for session in (offline_session("é.example", refresh_token=""), online_session("s.example")):
        text = dump_session_json(session)
        assert read_session_json(text).equals(session)
        assert read_session_json(text.encode()).equals(session)
        assert read_session_json(text).refresh_token == session.refresh_token


def test_every_spelling_of_json_is_read():
    text = f' {START} , [ "\\u0065xpires" , 1795264496123.0 ], ["scope", null]\n] '
    session = read_session_json(text)
    assert round(session.expires.timestamp() * 1000) == 1795264496123
    assert session.scope is None


@pytest.mark.parametrize(
    "text",
    ["", "secret", '"secret"', "7", "null", "{}", '{"accessToken":"secret"}', '["secret"]', "[]",
     f'{START},["accessToken","secret"]', f'{START},["expires","secret"]]', "[" * 100_000,
     b"[\xff]", "\ufeff[]", f'{START},["expires",{"1" * 5000}]]'],
)  # fmt: skip
def test_what_is_no_session_is_corrupt_and_not_shown(text):
    with pytest.raises(CorruptSessionError, match="'i'") as caught:
        read_session_json(text, "i")
    error = caught.value
    assert "secret" not in f"{error!r} {error.__cause__!r} {error.__context__!r}"
    assert error.__cause__ is None
    assert error.__context__ is None
