"""Sessions as JSON text, for the layouts that keep a property array."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shopify_session_storage import (
    CorruptSessionError,
    dump_session_json,
    read_property_array,
    read_session_json,
)
from shopify_session_storage.testing.sessions import offline_session, online_session
from shopify_session_storage.testing.strategies import sessions

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


@pytest.mark.parametrize("make", [offline_session, online_session])
def test_what_is_read_again_is_the_callers_own(make):
    text = dump_session_json(make("s.example"))
    for again in (text, text.encode()):
        first = read_session_json(again)
        first.access_token = "changed"
        if first.online_access_info is not None:
            first.online_access_info.associated_user.email = "changed"
        assert dump_session_json(read_session_json(again)) == text


def test_texts_that_differ_are_never_taken_for_one_another():
    texts = [dump_session_json(offline_session(f"s{number}.example")) for number in range(5_000)]
    for text in (*texts, *texts):
        assert dump_session_json(read_session_json(text.encode())) == text


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


plain = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@given(sessions())
def test_text_is_the_same_without_a_list_in_between(session):
    assert dump_session_json(session) == plain(session.to_property_array(return_user_data=True))


def read_plainly(text):
    try:
        return read_property_array(json.loads(text))
    except (ValueError, TypeError, RecursionError, CorruptSessionError):
        return None


def read(text):
    try:
        return read_session_json(text)
    except CorruptSessionError:
        return None


@given(sessions(), st.data())
def test_text_is_read_as_a_list_would_be_whatever_becomes_of_it(session, data):
    pairs = session.to_property_array(return_user_data=True)
    dumps = st.sampled_from([plain, json.dumps])
    change = data.draw(
        st.sampled_from(["none", "order", "value", "twice", "missing", "cut", "bytes"])
    )
    place = data.draw(st.integers(0, len(pairs) - 1))
    if change == "order":
        pairs = data.draw(st.permutations(pairs))
    elif change == "value":
        strange = st.sampled_from([None, 0, 1, -1, 1.5, "", "x", True, [], {}, 10**17, "0", "true"])
        pairs[place] = (pairs[place][0], data.draw(strange))
    elif change == "twice":
        pairs.insert(place, pairs[data.draw(st.integers(0, len(pairs) - 1))])
    elif change == "missing":
        del pairs[place]
    text = data.draw(dumps)(pairs)
    at = data.draw(st.integers(0, len(text)))
    if change == "cut":
        text = text[:at] + text[at + data.draw(st.integers(1, 5)) :]
    elif change == "bytes":
        text = text[:at] + data.draw(st.characters(exclude_categories=["Cs"])) + text[at:]
    mine, plainly, again = read(text), read_plainly(text), read(text)
    assert repr(again) == repr(mine)
    assert (mine is None) == (plainly is None)
    assert mine is None or vars(mine) == vars(plainly)
    assert mine is None or repr(mine) == repr(plainly)
