"""What may be an id or a shop, at the borders of every rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shopify_session_storage import (
    InvalidSessionError,
    check_session,
    check_session_id,
    check_session_ids,
    check_shop,
)

from .checked import session


@pytest.mark.parametrize(
    "key",
    [
        "a",
        " ",
        "a" * 255,
        "é" * 250,  # 500 bytes
        "🛍" * 125,  # 500 bytes
        "Migrations",
        "migrations ",
        "...",
        "SHOP:x",
        "offline_shop:x",
        "\x01\n\x7f",
    ],
)
def test_any_text_of_255_characters_and_500_bytes_is_an_id_and_a_shop(key):
    check_session_id(key)
    check_shop(key)


@pytest.mark.parametrize(
    "key",
    ["", "a" * 256, "é" * 250 + "a", "🛍" * 125 + "a", "a\0", "\0", "\ud800", "a\udfff"],
)
@pytest.mark.parametrize("check", [check_session_id, check_shop])
def test_longer_or_unstorable_text_is_neither_an_id_nor_a_shop(check, key):
    with pytest.raises(InvalidSessionError):
        check(key)


@pytest.mark.parametrize("key", [None, 1, b"id", ["id"]])
@pytest.mark.parametrize("check", [check_session_id, check_shop])
def test_ids_and_shops_are_str(check, key):
    with pytest.raises(TypeError):
        check(key)


def test_ids_that_a_layout_needs_for_itself_are_reserved():
    for id in ("migrations", ".", "..", "shop:", "shop:a.myshopify.com"):
        with pytest.raises(InvalidSessionError, match="reserved"):
            check_session_id(id)
    with pytest.raises(InvalidSessionError, match="reserved"):
        check_shop("migrations")
    for shop in (".", "..", "shop:a"):
        check_shop(shop)


def test_a_session_has_another_id_than_its_shop():
    check_session(session(id="a", shop="b"))
    with pytest.raises(InvalidSessionError, match="own shop"):
        check_session(session(id="a", shop="a"))


@given(st.lists(st.sampled_from(["a", "b", "c", "d"])))
def test_ids_are_returned_once_in_their_order(ids):
    assert check_session_ids(iter(ids)) == list(dict.fromkeys(ids))


@pytest.mark.parametrize("ids", ["id", b"id", None, 1, [1], [b"id"], [None], [["id"]]])
def test_ids_are_an_iterable_of_str(ids):
    with pytest.raises(TypeError):
        check_session_ids(ids)


def test_one_bad_id_is_enough():
    with pytest.raises(InvalidSessionError):
        check_session_ids(["good", ""])
