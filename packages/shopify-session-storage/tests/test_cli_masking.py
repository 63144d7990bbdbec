"""What the command may show: no token, no password, nothing that a terminal would obey."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shopify_session_storage.cli.masking import masked, printable
from shopify_session_storage.cli.urls import Place

TOKEN = "shpat_0123456789abcdef0123456789abcdef"
HEX = st.text("0123456789abcdef", min_size=12, max_size=64)


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (TOKEN, "shpat_…cdef"),
        ("0123456789abcdef0123456789abcdef", "…cdef"),
        ("shpat_1", "…"),
        ("short", "…"),
        ("", "(empty)"),
        (None, None),
        ("enc1.2026.AAAABBBBCCCCDDDD", "enc1.2026.…"),
        ("enc1." + "k" * 40, "…kkkk"),
    ],
)
def test_a_token_is_shown_by_its_ends(token, shown):
    assert masked(token) == shown


@given(st.text("abcdefshpt0123456789_", min_size=1, max_size=50))
def test_of_no_token_more_than_its_ends_are_shown(token):
    beginning, _, end = masked(token).partition("…")
    assert len(end) <= 4
    assert beginning == "" or beginning.endswith("_")
    assert len(token) >= 20 or beginning + end == ""


@given(st.text())
def test_what_is_printable_obeys_nobody(text):
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:pa55@db.example:5432/app?sslmode=require", "postgresql://db.example:5432"),
        ("postgresql://db.example/app", "postgresql://db.example"),
        ("postgresql://user:pa55/word@db.example/app", "postgresql://…"),
        ("postgresql://user:pa55?word@db.example/app", "postgresql://…"),
        ("postgresql://user:pa55#word@db.example/app", "postgresql://…"),
        ("postgresql://user:pa55@word@db.example/app", "postgresql://…"),
        ("mongodb://u:pa55@a.example:1,b.example:2/db", "mongodb://a.example:1,b.example:2"),
        ("redis://:pa55@[::1]:6379/0", "redis://[::1]:6379"),
        ("unix://:pa55@/run/redis.sock", "unix://"),
        ("sqlite:///sessions.db?mode=rw", "sqlite:///sessions.db"),
        ("sqlite://user:pa55@host/x.db", "sqlite://host"),
        ("dynamodb://eu-west-1/sessions", "dynamodb://eu-west-1"),
        ("user:pa55@host", "a URL without a scheme"),
    ],
)  # fmt: skip
def test_of_a_url_scheme_and_host_are_shown(url, shown):
    assert str(Place(url)) == shown
    assert "pa55" not in repr(Place(url))


@given(
    HEX,
    st.lists(st.sampled_from("/?#@:%&= "), max_size=4),
    st.sampled_from(["postgresql", "redis", "sqlite"]),
)
def test_no_password_is_shown_however_it_is_spelled(password, extra, scheme):
    spelled = "".join(extra) + password + "".join(reversed(extra))
    for url in (
        f"{scheme}://user:{spelled}@host/path",
        f"{scheme}://:{spelled}@host",
        f"{scheme}://host/path?password={spelled}",
    ):
        assert password not in str(Place(url))


def test_another_password_is_the_same_place():
    place = Place("postgresql://user:old@host/app?sslpassword=old")
    assert (
        place.fingerprint() == Place("postgresql://user:new@host/app?sslpassword=n").fingerprint()
    )
    assert place.fingerprint() != Place("postgresql://user:old@host/other").fingerprint()
    assert place.fingerprint() != Place(place.url, "another_table").fingerprint()
