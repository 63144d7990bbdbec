"""No frame of what a session, its checks and its readers raise shows a token."""

from datetime import datetime

import pytest
from shopify_session_storage import (
    CustomSessionStorage,
    Session,
    SessionStorageError,
    check_session,
    read_property_array,
    read_session_json,
)

from .shown_tokens import ACCESS, OFFLINE, frames_that_show

NAIVE = datetime(2030, 1, 1)  # noqa: DTZ001
FIELDS = {"id": "a", "shop": "b", "state": "", "isOnline": False, "accessToken": ACCESS}


def made(**changes):
    return Session(**vars(OFFLINE) | changes)


def checked(**wrong):
    session = made()
    vars(session).update(wrong)
    return check_session(session)


def without(name):
    return {key: value for key, value in FIELDS.items() if key != name}


CALLS = {
    "a date without a zone": lambda: made(expires=NAIVE),
    "a date that is text": lambda: made(refresh_token_expires="tomorrow"),
    "a dict's date": lambda: Session.from_dict(FIELDS | {"expires": "tomorrow"}),
    "a dict's naive date": lambda: Session.from_dict(FIELDS | {"expires": NAIVE}),
    "a dict without an id": lambda: Session.from_dict(without("id")),
    "pairs without an id": lambda: Session.from_property_array(without("id").items()),
    "a pair that is none": lambda: Session.from_property_array([*FIELDS.items(), 5]),
    "stored pairs": lambda: read_property_array([*without("id").items()], "a"),
    "text that is no JSON": lambda: read_session_json(f'[["accessToken","{ACCESS}"', "a"),
    "JSON of something else": lambda: read_session_json(f'{{"accessToken":"{ACCESS}"}}', "a"),
    "JSON without an id": lambda: read_session_json(f'[["accessToken","{ACCESS}"]]', "a"),
    "a token that is bytes": lambda: checked(access_token=ACCESS.encode()),
    "a token with NUL": lambda: checked(access_token=f"{ACCESS}\0"),
    "a token with a surrogate": lambda: checked(access_token=f"{ACCESS}\ud800"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_no_frame_shows_a_token(call):
    with pytest.raises((SessionStorageError, TypeError)) as caught:
        call()
    assert frames_that_show(caught.value, without=[__file__]) == []
    assert ACCESS not in str(caught.value)


@pytest.mark.parametrize("given", [without("id"), FIELDS | {"expires": "soon"}, [ACCESS]])
@pytest.mark.asyncio
async def test_no_frame_of_a_custom_storage_shows_what_a_callback_gave(given):
    storage = CustomSessionStorage(
        store=lambda session: True,
        load=lambda _: given,
        delete=lambda _: True,
        find_sessions_by_shop=lambda shop: [FIELDS, given],
    )
    for call in (storage.load_session, storage.find_sessions_by_shop):
        with pytest.raises((SessionStorageError, TypeError)) as caught:
            await call("a")
        assert frames_that_show(caught.value, without=[__file__]) == []
