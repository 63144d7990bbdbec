"""Encrypted storages on any backend."""

import pytest
from servers.places import place
from shopify_session_storage import open_session_storage
from shopify_session_storage.encryption import EncryptedSessionStorage


@pytest.fixture
def address(request, tmp_path):
    """Return what makes a storage of the backend that the test names."""

    def of(backend):
        url = "" if backend == "sqlite" else request.getfixturevalue(f"{backend}_url")
        url, options = place(backend, url, tmp_path)
        return lambda ring, **more: EncryptedSessionStorage(
            open_session_storage(url, **(options | more)), ring
        )

    return of
