"""Ids and shops with any characters, compared exactly."""

from dataclasses import replace

from shopify_session_storage.testing.assertions import same
from shopify_session_storage.testing.case import case
from shopify_session_storage.testing.sessions import offline_session, unique
from shopify_session_storage.testing.subject import Subject


@case()
async def unknown_id_is_none(subject: Subject) -> None:
    """Loading an id under which nothing is stored gives None."""
    same(await subject.storage.load_session(unique("unknown")), None, "an unknown session")


@case()
async def odd_ids_and_shops_work(subject: Subject) -> None:
    """Ids and shops with any characters work: quotes, wildcards, slashes, spaces, emoji."""
    mark = unique("odd")
    names = [
        f"{mark}:id_100%_50%25/ünï-✓ 'single' \"double\" `back` \\back 😀",
        f" {mark} ",
        f"../{mark}/../*?[a]#{{x}}",
        f"{mark}'; DROP TABLE shopify_sessions; --",
        f"{mark}\n\t\x01",
        f"{mark}__proto__",
    ]
    for name in names:
        session = offline_session(subject.clean(f"{name}.example"), id=name)
        await subject.stores(session)
        await subject.loads(session)
        await subject.finds(session.shop, [session])
        same(await subject.storage.delete_session(name), True, f"delete_session({name!r})")
        same(await subject.storage.load_session(name), None, "a deleted session")
        await subject.finds(session.shop, [])


@case()
async def longest_ids_and_shops_work(subject: Subject) -> None:
    """Ids and shops of 255 characters and of 500 bytes of UTF-8 work."""
    mark = unique("long")
    for filler, characters in (("x", 255), ("é", 255 - 10), ("😀", 36 + 115)):
        name = (mark + filler * 255)[: min(characters, 255)]
        while len(name.encode()) > 500:
            name = name[:-1]
        shop = subject.clean(name[:-1] + "s")
        session = offline_session(shop, id=name)
        await subject.stores(session)
        await subject.loads(session)
        await subject.finds(shop, [session])


@case()
async def ids_are_compared_exactly(subject: Subject) -> None:
    """Ids that differ in case, accents, spaces at the end or emoji are different ids."""
    shop = subject.shop()
    mark = unique("exact")
    ids = [f"{mark}{end}" for end in ("abc", "AbC", "äbc", "abc ", "abc😀", "abc🎉", "abc\u0301")]
    sessions = [offline_session(shop, id=id) for id in ids]
    await subject.stores(*sessions)
    await subject.loads(*sessions)
    await subject.finds(shop, sessions)
    await subject.storage.delete_session(ids[0])
    await subject.storage.delete_sessions([ids[3]])
    await subject.finds(shop, [*sessions[1:3], *sessions[4:]])


@case()
async def shops_are_compared_exactly(subject: Subject) -> None:
    """Shops that differ in case, accents, spaces at the end or emoji are different shops."""
    mark = unique("exact")
    ends = ("shop", "Shop", "shöp", "shop ", "shop😀", "shop🎉", "shop%", "sho_", "shop*")
    sessions = [offline_session(subject.clean(f"{mark}{end}")) for end in ends]
    await subject.stores(*sessions)
    for session in sessions:
        await subject.finds(session.shop, [session])


class _Member(str):
    """Text that shows itself as something else, as members of enumerations do."""

    __slots__ = ()

    def __str__(self) -> str:
        return "member"

    def __format__(self, format_spec: str) -> str:
        return "member"


@case()
async def members_of_enumerations_are_their_text(subject: Subject) -> None:
    """A member of an enumeration, like any subclass of str, counts as its text."""
    plain = offline_session(subject.shop(), access_token="shpat_1", refresh_token="shprt_1")
    id, shop = _Member(plain.id), _Member(plain.shop)
    access, refresh = _Member("shpat_1"), _Member("shprt_1")
    await subject.stores(
        replace(plain, id=id, shop=shop, access_token=access, refresh_token=refresh)
    )
    await subject.loads(plain)
    loaded = await subject.storage.load_session(id)
    same(loaded and loaded.id, plain.id, "the id of what was loaded by a member")
    await subject.finds(shop, [plain])
    same(await subject.storage.delete_session(id), True, "delete_session()")
    same(await subject.storage.load_session(plain.id), None, "a deleted session")
