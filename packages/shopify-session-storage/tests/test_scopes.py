"""AuthScopes: what the scopes of a token grant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shopify_session_storage import AuthScopes

SCOPE_LISTS = st.lists(
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["", "unauthenticated_", "customer_"]),
        st.sampled_from(["read_", "write_"]),
        st.sampled_from(["products", "orders", "themes"]),
    ),
    max_size=6,
)


def test_write_access_grants_read_access():
    assert AuthScopes("write_products").has("read_products")
    assert AuthScopes("unauthenticated_write_carts").has("unauthenticated_read_carts")


@pytest.mark.parametrize(
    ("granted", "needed"),
    [
        ("read_products", "write_products"),
        ("write_products", "read_orders"),
        ("write_carts", "unauthenticated_read_carts"),
        ("unauthenticated_write_carts", "read_carts"),
        ("customer_write_orders", "customer_read_orders"),
        ("", "read_products"),
        ("read_products", "read_products,read_orders"),
    ],
)
def test_nothing_else_is_implied(granted, needed):
    assert not AuthScopes(granted).has(needed)


def test_implied_scopes_are_had_but_not_listed():
    scopes = AuthScopes("read_products,write_products")
    assert str(scopes) == "write_products"
    assert list(scopes) == ["write_products"]
    assert len(scopes) == 1
    assert "read_products" in scopes


def test_whitespace_empty_scopes_and_duplicates_do_not_count():
    assert list(AuthScopes(" read_b ,,read_a,\tread_b, ")) == ["read_b", "read_a"]


@pytest.mark.parametrize("none", [None, "", [], (), set(), " , ,"])
def test_no_scopes_are_part_of_any_scopes(none):
    assert len(AuthScopes(none)) == 0
    assert AuthScopes(none).has(none)
    assert AuthScopes("read_products").has(none)


@given(SCOPE_LISTS)
def test_every_accepted_form_means_the_same(scopes):
    made = AuthScopes(scopes)
    assert made == scopes == made
    for form in (",".join(scopes), tuple(scopes), set(scopes), iter(scopes), AuthScopes(scopes)):
        assert AuthScopes(form) == made


@given(SCOPE_LISTS)
def test_what_is_listed_grants_the_same_in_the_same_order(scopes):
    made = AuthScopes(scopes)
    assert AuthScopes(str(made)) == made
    assert list(AuthScopes(made)) == list(made) == [scope for scope in made if scope in scopes]


@given(SCOPE_LISTS, SCOPE_LISTS)
def test_scopes_are_equal_if_each_has_the_other(one, other):
    mutual = AuthScopes(one).has(other) and AuthScopes(other).has(one)
    assert (AuthScopes(one) == AuthScopes(other)) is mutual
    assert (AuthScopes(one) != AuthScopes(other)) is not mutual


@given(SCOPE_LISTS, SCOPE_LISTS)
def test_more_scopes_grant_no_less(one, more):
    both = AuthScopes(one + more)
    assert both.has(one)
    assert both.has(more)


def test_reading_does_not_equal_writing():
    assert AuthScopes("read_products") != AuthScopes("write_products")
    assert AuthScopes("read_products,write_products") == AuthScopes("write_products")


@pytest.mark.parametrize("other", [None, 1, [1], object()])
def test_scopes_equal_nothing_that_is_not_scopes(other):
    assert AuthScopes("read_products") != other
    assert AuthScopes() != other


@pytest.mark.parametrize("scopes", [1, b"read_products", [b"read_products"], [None], object()])
def test_what_is_no_scopes_is_refused(scopes):
    with pytest.raises(TypeError):
        AuthScopes(scopes)
    with pytest.raises(TypeError):
        AuthScopes().has(scopes)


def test_scopes_are_not_hashable_because_they_equal_strings():
    with pytest.raises(TypeError):
        hash(AuthScopes("read_products"))


def test_repr_shows_the_scopes():
    assert repr(AuthScopes(["write_a", "read_b"])) == "AuthScopes('write_a,read_b')"
