"""Storages with one behaviour broken each: finding."""

from shopify_session_storage.checks import check_session

from .breaking import breaks
from .storages import DictStorage


@breaks("unknown_shop_has_no_sessions")
class UnknownShopIsNone(DictStorage):
    async def find(self, shop):
        return await super().find(shop) or None


@breaks("find_returns_all_of_the_shop")
class FindsTwentyFive(DictStorage):
    async def find(self, shop):
        return (await super().find(shop))[:25]


@breaks("find_returns_all_of_the_shop")
class FindsOnlineSessionsOnly(DictStorage):
    def belongs(self, row, shop):
        return row.shop == shop and row.is_online


@breaks("find_has_no_cap")
class FindsOnePageOfAMegabyte(DictStorage):
    async def find(self, shop):
        page, size = [], 0
        for session in await super().find(shop):
            size += check_session(session)
            if size > 1_000_000:
                break
            page.append(session)
        return page
