"""The protocol: read as redis-py's own parser reads it, wherever the answer is cut."""

import asyncio
from contextlib import suppress
from itertools import pairwise

import pytest
import redis.exceptions as errors
from hypothesis import given
from hypothesis import strategies as st
from redis._parsers import _AsyncRESP3Parser
from redis.asyncio.connection import Connection
from shopify_session_storage_redis.resp import Answers, pack

WORDS = st.binary(max_size=20).filter(lambda word: not {*b"\r\n"} & {*word})
NUMBERS = st.integers(-(10**25), 10**25).map(lambda number: b"%d" % number)
CODES = st.sampled_from([b"ERR", b"NOSCRIPT", b"READONLY", b"WRONGTYPE", b"NOPERM", b"X"])


def bulk(kind, text):
    return b"%b%d\r\n%b\r\n" % (kind, len(text), text)


PLAIN = st.binary(max_size=40).map(lambda text: bulk(b"$", text))
NULLS = st.sampled_from([b"$-1\r\n", b"*-1\r\n", b"_\r\n"])
NULLS_OF_3 = st.just(b"_\r\n")  # redis-py's RESP3 parser does not know the others
LINES = st.one_of(
    WORDS.map(lambda word: b"+%b\r\n" % word),
    st.tuples(CODES, WORDS).map(lambda words: b"-%b %b\r\n" % words),
    NUMBERS.map(lambda number: b":%b\r\n" % number),
    NUMBERS.map(lambda number: b"(%b\r\n" % number),
    st.floats(allow_nan=False).map(lambda number: b",%b\r\n" % repr(number).encode()),
    st.sampled_from([b"#t\r\n", b"#f\r\n"]),
)
VALUES = st.recursive(
    PLAIN
    | NULLS_OF_3
    | LINES
    | st.binary(max_size=9).map(lambda text: bulk(b"=", b"txt:" + text))
    | st.tuples(CODES, WORDS).map(lambda words: bulk(b"!", b"%b %b" % words)),
    lambda inner: (
        st.tuples(st.sampled_from([b"*", b"~"]), st.lists(inner, max_size=5)).map(
            lambda many: b"%b%d\r\n%b" % (many[0], len(many[1]), b"".join(many[1]))
        )
        | st.lists(st.tuples(PLAIN, inner), max_size=3).map(
            lambda pairs: b"%%%d\r\n%b" % (len(pairs), b"".join(map(b"".join, pairs)))
        )
    ),
    max_leaves=12,
)
PUSHES = st.lists(PLAIN, max_size=3).map(lambda many: b">%d\r\n%b" % (len(many), b"".join(many)))


def by_redis_py(data, count):
    """Return what redis-py's own parser makes of so many answers."""

    parser = _AsyncRESP3Parser(socket_read_size=65536)
    connection = Connection(protocol=3)
    loop = asyncio.new_event_loop()
    connection._reader = asyncio.StreamReader(loop=loop)
    connection._reader.feed_data(data)
    connection._reader.feed_eof()
    parser.on_connect(connection)
    answers = []
    for _ in range(count):
        with pytest.raises(StopIteration) as stopped:  # it has all that it needs
            parser.read_response(disable_decoding=True).send(None)
        answers.append(stopped.value.value)
    loop.close()
    return answers


def in_pieces(data, *cuts):
    answers = Answers()
    found = []
    for start, end in pairwise([0, *sorted(cuts), len(data)]):
        if start < end:
            found += answers.read(data[start:end])
    return found


def shown(answers):
    return repr(answers)  # errors are not equal, and say what they are


@given(st.lists(VALUES, min_size=1, max_size=3))
def test_answers_are_read_as_redis_py_reads_them(values):
    data = b"".join(values)
    assert shown(in_pieces(data)) == shown(by_redis_py(data, len(values)))


@given(st.lists(VALUES | NULLS | PUSHES, min_size=1, max_size=3), st.data())
def test_answers_are_the_same_wherever_they_are_cut(values, data):
    whole = b"".join(values)
    expected = shown(in_pieces(whole))
    for place in range(1, len(whole)):
        assert shown(in_pieces(whole, place)) == expected
    assert shown(in_pieces(whole, *range(1, len(whole)))) == expected
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=5))
    assert shown(in_pieces(whole, *cuts)) == expected


def test_an_error_that_nobody_could_word_is_an_error():
    (error,) = in_pieces(b"-MOVED nowhere\r\n")
    assert type(error) is errors.ResponseError


def test_nothing_is_there_and_nothing_was_asked_for():
    data = b"$-1\r\n*-1\r\n_\r\n*0\r\n>2\r\n$3\r\nfoo\r\n:1\r\n*2\r\n$-1\r\n$0\r\n\r\n"
    assert in_pieces(data) == [None, None, None, [], [None, b""]]


@given(st.binary(max_size=60))
def test_whatever_arrives_is_read_or_is_not_the_protocol(data):
    with suppress(errors.InvalidResponse):
        in_pieces(data)


@pytest.mark.parametrize(
    "data", [b"hello\r\n", b"$x\r\n", b":\r\n", b"*1\r\n?\r\n", b"%1\r\n*0\r\n+v\r\n", b"\r\n"],
)  # fmt: skip
def test_what_is_not_the_protocol_is_told_without_a_value(data):
    with pytest.raises(errors.InvalidResponse, match="not Redis' protocol") as caught:
        in_pieces(data)
    assert caught.value.__context__ is None


def test_commands_are_packed_as_redis_py_packs_them():
    commands = [("GET", b"\0\xff\r\n"), ("MGET", b"", "é"), ("SCAN", 0, "COUNT", 10**9), ("INFO",)]
    driver = Connection()
    assert pack(commands) == b"".join(
        packed for command in commands for packed in driver.pack_command(*command)
    )


def test_a_long_answer_takes_time_that_grows_with_its_length():
    answers = Answers()
    long = bulk(b"$", b"x" * 3_000_000)
    found = []
    for start in range(0, len(long), 16):
        found += answers.read(long[start : start + 16])
    assert found == [b"x" * 3_000_000]
