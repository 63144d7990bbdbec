"""URLs and arguments: honoured, or refused without showing them."""

import pytest
from shopify_session_storage import open_session_storage
from shopify_session_storage_kv_style import (
    CloudflareKVNamespace,
    KVSessionStorage,
    WorkersKVNamespace,
)


def test_bad_arguments_are_refused(kv_url):
    for namespace in (7, "namespace", object(), KVSessionStorage):
        with pytest.raises(TypeError, match="must be a KVNamespace"):
            KVSessionStorage(namespace)
    with pytest.raises(ValueError, match="on_error"):
        KVSessionStorage(on_error="ignore")
    with pytest.raises(TypeError, match="positional"):
        KVSessionStorage(None, "raise")
    good = {"account_id": "a", "namespace_id": "n", "api_token": "secret"}
    for name, value, error in (
        ("account_id", "", ValueError),
        ("account_id", None, TypeError),
        ("namespace_id", "", ValueError),
        ("api_token", "", ValueError),
        ("api_token", None, TypeError),
        ("api_token", "secret\n", ValueError),
        ("api_token", "sec ret", ValueError),
        ("api_token", "secrét", ValueError),
        ("base_url", "ftp://host", ValueError),
        ("base_url", "host", ValueError),
        ("base_url", "https://host/?a=b", ValueError),
        ("client", object(), TypeError),
    ):
        with pytest.raises(error, match=name) as caught:
            CloudflareKVNamespace(**{**good, name: value})
        assert "sec" not in str(caught.value)
    with pytest.raises(TypeError, match="binding"):
        WorkersKVNamespace(None)


@pytest.mark.parametrize(
    "rest",
    ["", "account", "account/", "/namespace", "account/namespace/more", "sekret@account/namespace",
     "a:sekret@account/namespace", "account/namespace?token=sekret", "account/namespace#sekret",
     "account/namespace?base_url=sekret", "sekret\u2100@account/namespace", "[sekret/namespace",
     "account/namespace?base_url=http://user:sekret\u2100@host"],
)  # fmt: skip
def test_bad_url_is_refused_without_showing_it(kv_url, rest):
    with pytest.raises(ValueError, match=r"cloudflare-kv://|CLOUDFLARE|base_url") as caught:
        open_session_storage(f"cloudflare-kv://{rest}")
    assert "sekret" not in repr(caught.value)


def test_url_needs_the_token_in_the_environment(kv_url, monkeypatch):
    with pytest.raises(TypeError, match="no_such_option"):
        open_session_storage(kv_url, no_such_option=1)
    monkeypatch.delenv("CLOUDFLARE_API_TOKEN")
    with pytest.raises(ValueError, match="CLOUDFLARE_API_TOKEN"):
        open_session_storage(kv_url)
