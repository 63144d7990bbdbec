"""What is stored comes back, field by field."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from shopify_session_storage.session import AssociatedUser, OnlineAccessInfo, Session
from shopify_session_storage.testing.assertions import same, true
from shopify_session_storage.testing.case import case
from shopify_session_storage.testing.sessions import EXPIRES, offline_session, online_session
from shopify_session_storage.testing.subject import Subject


@case()
async def offline_session_comes_back(subject: Subject) -> None:
    """An offline session comes back as it was stored, with every field."""
    session = offline_session(subject.shop())
    await subject.stores(session)
    await subject.loads(session)


@case()
async def online_session_comes_back(subject: Subject) -> None:
    """An online session comes back as it was stored, with its user."""
    session = online_session(subject.shop())
    await subject.stores(session)
    await subject.loads(session)


@case()
async def bare_session_comes_back(subject: Subject) -> None:
    """A session with nothing but the required fields comes back without the others."""
    shop = subject.shop()
    session = Session(id=f"offline_{shop}", shop=shop, state="", is_online=False)
    await subject.stores(session)
    await subject.loads(session)
    loaded = await subject.storage.load_session(session.id)
    assert loaded is not None
    for name in ("scope", "expires", "access_token", "refresh_token", "online_access_info"):
        same(getattr(loaded, name), None, f"{name} of a session without it")


@case()
async def online_session_always_has_user_info(subject: Subject) -> None:
    """An online session always comes back with an OnlineAccessInfo, even if it had none."""
    session = online_session(subject.shop(), online_access_info=None)
    await subject.stores(session)
    loaded = await subject.storage.load_session(session.id)
    kept = subject.kept(replace(session, online_access_info=OnlineAccessInfo()))
    true(
        loaded is not None and loaded.online_access_info == kept.online_access_info,
        "an online session without user data came back without an empty OnlineAccessInfo",
    )


@case()
async def user_data_of_offline_session_is_not_kept(subject: Subject) -> None:
    """User data of an offline session is not kept."""
    shop = subject.shop()
    session = offline_session(shop, online_access_info=OnlineAccessInfo(AssociatedUser(id=7)))
    await subject.stores(session)
    await subject.loads(replace(session, online_access_info=None))


@case()
async def partial_user_comes_back(subject: Subject) -> None:
    """Unknown data of a user stays unknown, and each flag is true, false or unknown."""
    shop = subject.shop()
    users = [
        AssociatedUser(id=1),
        AssociatedUser(id=2, email_verified=False, account_owner=False, collaborator=False),
        AssociatedUser(id=3, email_verified=True, account_owner=True, collaborator=True),
        AssociatedUser(id=4, first_name="Ada", locale="zh-Hant-TW"),
        AssociatedUser(email="no-id@shop.example"),
    ]
    sessions = [
        online_session(shop, number, online_access_info=OnlineAccessInfo(user))
        for number, user in enumerate(users)
    ]
    await subject.stores(*sessions)
    await subject.loads(*sessions)
    for session in sessions:
        loaded = await subject.storage.load_session(session.id)
        assert loaded is not None
        assert loaded.online_access_info is not None
        kept = subject.kept(session).online_access_info
        assert kept is not None
        same(loaded.online_access_info.associated_user, kept.associated_user, "the user")


@case()
async def empty_strings_are_kept(subject: Subject) -> None:
    """Empty strings come back as empty strings, not as None."""
    shop = subject.shop()
    offline = offline_session(shop, state="", scope="", access_token="", refresh_token="")
    user = AssociatedUser(id=1, first_name="", last_name="", email="", locale="")
    online = online_session(shop, 1, scope="", online_access_info=OnlineAccessInfo(user))
    await subject.stores(offline, online)
    await subject.loads(offline, online)
    loaded = await subject.storage.load_session(offline.id)
    assert loaded is not None
    kept = subject.kept(offline)
    for name in ("state", "scope", "access_token", "refresh_token"):
        same(getattr(loaded, name), getattr(kept, name), name)


@case()
async def dates_come_back_in_utc(subject: Subject) -> None:
    """Dates come back timezone-aware in UTC, whatever zone they had, to the second at least."""
    zone = timezone(timedelta(hours=5, minutes=30))
    local = datetime(2031, 1, 2, 3, 4, 5, tzinfo=zone)
    session = offline_session(subject.shop(), expires=local, refresh_token_expires=local)
    await subject.stores(session)
    await subject.loads(session)
    loaded = await subject.storage.load_session(session.id)
    assert loaded is not None
    for date in (loaded.expires, loaded.refresh_token_expires):
        same(date, local, "the date")
        same(date and date.tzinfo, UTC, "the time zone")


@case()
async def early_and_late_dates_come_back(subject: Subject) -> None:
    """Dates from one second after the epoch to the year 9999 come back."""
    sessions = [
        offline_session(subject.shop(), expires=date, refresh_token_expires=date)
        for date in (
            datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
            datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC),
            datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
        )
    ]
    await subject.stores(*sessions)
    await subject.loads(*sessions)


@case()
async def milliseconds_are_never_rounded_up(subject: Subject) -> None:
    """A date comes back with its milliseconds or without them, never later than it was."""
    date = EXPIRES.replace(microsecond=999_000)
    session = offline_session(subject.shop(), expires=date, refresh_token_expires=date)
    await subject.stores(session)
    loaded = await subject.storage.load_session(session.id)
    assert loaded is not None
    for read in (loaded.expires, loaded.refresh_token_expires):
        true(read in (date, EXPIRES), f"{date} came back as {read}")


@case()
async def user_ids_come_back_exactly(subject: Subject) -> None:
    """User ids from 0 to 2**53 - 1 come back exactly, as int."""
    shop = subject.shop()
    sessions = [online_session(shop, id) for id in (0, 1, 2**31 - 1, 2**31 + 5, 2**53 - 1)]
    await subject.stores(*sessions)
    await subject.loads(*sessions)
    for session in sessions:
        loaded = await subject.storage.load_session(session.id)
        assert loaded is not None
        assert loaded.online_access_info is not None
        kind = type(loaded.online_access_info.associated_user.id)
        true(kind is int, f"a user's id came back as {kind.__name__}")


@case()
async def long_texts_come_back(subject: Subject) -> None:
    """Long scopes and long (encrypted) tokens come back, up to 300 kB in all."""
    scope = ",".join(f"read_resource_{number}" for number in range(400))
    long = offline_session(subject.shop(), scope=scope, access_token="t" * 4000)
    longest = offline_session(subject.shop(), scope=None, access_token="é" * 149_000)
    await subject.stores(long, longest)
    await subject.loads(long, longest)


@case()
async def any_unicode_comes_back(subject: Subject) -> None:
    """Any Unicode but NUL and lone surrogates comes back in every text."""
    texts = [
        'José "Pepe" O\'Neil \\ \\n `',
        "名前 😀👩‍💻\tTab\nNewline\r %_$1 ${x} -- ;",
        "\x01\x7f\ufeff\uffff",
    ]
    shop = subject.shop()
    sessions = []
    for number, text in enumerate(texts):
        user = AssociatedUser(id=number, first_name=text, last_name=text, email=text, locale=text)
        sessions.append(
            online_session(
                shop,
                number,
                state=text,
                scope=text,
                access_token=text,
                refresh_token=text,
                online_access_info=OnlineAccessInfo(user),
            )
        )
    await subject.stores(*sessions)
    await subject.loads(*sessions)
