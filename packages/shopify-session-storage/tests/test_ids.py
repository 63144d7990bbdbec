"""Session ids and shop domains."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from shopify_session_storage import offline_session_id, online_session_id, sanitize_shop

NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]*", fullmatch=True)


def test_ids_name_the_shop_and_the_user():
    assert offline_session_id("a.myshopify.com") == "offline_a.myshopify.com"
    assert online_session_id("a.myshopify.com", 42) == "a.myshopify.com_42"
    assert online_session_id("a.myshopify.com", "42") == "a.myshopify.com_42"


@given(
    NAMES,
    st.sampled_from(["", "http://", "https://"]),
    st.sampled_from(["{}.myshopify.com", "admin.shopify.com/store/{}"]),
    st.sampled_from(["", "/", "/admin/apps", "?shop=evil.example", "#x"]),
)
def test_every_spelling_of_a_shop_gives_its_domain(name, protocol, form, rest):
    spelling = protocol + form.format(name) + rest
    assert sanitize_shop(spelling) == f"{name}.myshopify.com"
    assert sanitize_shop(f" {spelling.upper()}\n") == f"{name}.myshopify.com"


@given(NAMES)
def test_a_bare_name_gives_its_domain(name):
    assert sanitize_shop(name) == f"{name}.myshopify.com"


@given(st.text() | st.from_regex(r"(https?://)?.{0,9}(my)?shopify\.com.{0,9}"))
@example("\u212aelvin.myshopify.com")
def test_whatever_is_given_the_answer_is_a_domain_of_shopify_or_none(given_shop):
    shop = sanitize_shop(given_shop)
    assert shop is None or re.fullmatch(r"[a-z0-9][a-z0-9_-]*\.myshopify\.com", shop)
    assert shop is None or sanitize_shop(shop) == shop


@pytest.mark.parametrize(
    "look_alike",
    [
        "my-shop.myshopify.com.evil.example",
        "https://evil.example/my-shop.myshopify.com",
        "https://evil.example?my-shop.myshopify.com",
        "https://evil.example#my-shop.myshopify.com",
        "https://my-shop.myshopify.com@evil.example",
        "https://my-shop.myshopify.com:pw@evil.example",
        "https://user@my-shop.myshopify.com",
        "https://my-shop.myshopify.com:8443",
        "my-shop.myshopify.com\\.evil.example",
        "my-shop.myshopify.com\nevil.example",
        "my-shop.myshopify.comx",
        "my-shopmyshopify.com",
        "my-shop.myshopify.io",
        "a.b.myshopify.com",
        "-shop.myshopify.com",
        ".myshopify.com",
        "https://admin.shopify.com.evil.example/store/my-shop",
        "https://evil.example/admin.shopify.com/store/my-shop",
        "admin.shopify.com/store/",
        "admin.shopify.com/store/a.b",
        "ftp://my-shop.myshopify.com",
        "//my-shop.myshopify.com",
        "my-shop\uff0emyshopify\uff0ecom",
        "my-\u017fhop.myshopify.com",
        "https://",
        "",
        " ",
    ],
)
def test_what_merely_looks_like_a_shop_is_none(look_alike):
    assert sanitize_shop(look_alike) is None


@pytest.mark.parametrize("shop", [None, b"my-shop.myshopify.com", 1])
def test_a_shop_that_is_no_str_is_a_type_error(shop):
    with pytest.raises(TypeError):
        sanitize_shop(shop)
