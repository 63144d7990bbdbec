"""A password is never shown, whatever fails."""

import traceback
from urllib.parse import urlsplit

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.discovery import PASSWORD, USER, free_port
from shopify_session_storage import SessionStorageError, SessionStorageUnavailableError
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

SECRET = "geheim"


def shown(error: BaseException) -> str:
    """Return what an error reporter shows of *error*."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    # Without the frame of the test, which has the secret itself.
    told.stack[:] = told.stack[1:]
    return f"{error} {error!r} {''.join(told.format())}"


@given(
    before=st.text(st.sampled_from("1aÄ?#/@:[]%&=;+ \\"), max_size=4),
    after=st.text(st.sampled_from("1aÄ?#/@:[]%&=;+ \\"), max_size=4),
)
@settings(deadline=None, max_examples=400)
def test_password_that_is_not_escaped_is_never_shown(before, after):
    url = f"postgresql://user:{before}{SECRET}{after}@127.0.0.1:1/db"
    try:
        told = repr(PostgreSQLSessionStorage(url))
    except ValueError as error:
        told = shown(error)
    assert SECRET not in told


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "password", ["1?geheim", "?geheim", "#geheim", "1/geheim", "a@geheim", "[geheim"]
)
async def test_password_that_is_not_escaped_fails_at_once_or_in_our_words(password):
    with pytest.raises(ValueError, match=r"escaped|malformed|postgresql://") as caught:
        PostgreSQLSessionStorage(f"postgresql://user:{password}@127.0.0.1:{free_port()}/db")
    assert SECRET not in shown(caught.value)


@pytest.mark.asyncio
async def test_failure_to_connect_shows_no_password():
    storage = PostgreSQLSessionStorage.with_credentials(
        "127.0.0.1", "db", "user", f"?#/{SECRET}", port=free_port(), on_error="raise"
    )
    with pytest.raises(SessionStorageError) as caught:
        await storage.load_session("id")
    chain = [caught.value, caught.value.__cause__]
    assert all(SECRET not in shown(error) for error in chain)
    with pytest.raises(TypeError) as wrong_option:
        PostgreSQLSessionStorage.with_credentials("h", "db", "user", SECRET, nonsense=1)
    assert SECRET not in shown(wrong_option.value)


@pytest.mark.asyncio
async def test_failures_to_connect_name_their_cause_and_no_password(postgresql_url):
    parts = urlsplit(postgresql_url)
    host, port = parts.hostname, parts.port
    make = PostgreSQLSessionStorage.with_credentials
    for storage, cause in (
        (make(host, "none", USER, PASSWORD, port=port), asyncpg.InvalidCatalogNameError),
        (make(host, "none", USER, "secret-wrong", port=port), asyncpg.InvalidPasswordError),
        (make(host, "none", USER, "secret", port=free_port()), ConnectionRefusedError),
        (make("no-such-host.invalid", "none", USER, "secret"), OSError),
    ):
        with pytest.raises(SessionStorageUnavailableError) as caught:
            await storage.ready()
        assert isinstance(caught.value.__cause__, cause)
        assert type(caught.value.__cause__).__name__ in str(caught.value)
        for text in (str(caught.value), repr(caught.value.__cause__), repr(storage)):
            assert "secret" not in text
            assert PASSWORD not in text
