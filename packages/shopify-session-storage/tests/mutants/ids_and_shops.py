"""Storages with one behaviour broken each: ids and shops."""

import re
from fnmatch import fnmatchcase
from urllib.parse import unquote

from shopify_session_storage import Session

from .breaking import breaks, changed
from .storages import DictStorage


@breaks("unknown_id_is_none")
class UnknownIdIsAnEmptySession(DictStorage):
    async def get(self, id):
        blank = Session(id=id, shop="unknown", state="", is_online=False)
        return await super().get(id) or blank


@breaks("odd_ids_and_shops_work")
class DecodesIds(DictStorage):
    def read(self, row):
        return changed(row, id=unquote(row.id))


@breaks("odd_ids_and_shops_work")
class StripsShops(DictStorage):
    def write(self, session):
        return changed(session, shop=session.shop.strip())

    def belongs(self, row, shop):
        return row.shop == shop.strip()


@breaks("longest_ids_and_shops_work")
class CutsIds(DictStorage):
    def write(self, session):
        return changed(session, id=session.id[:191])


@breaks("ids_are_compared_exactly")
class IgnoresTheCaseOfIds(DictStorage):
    def key(self, id):
        return id.lower()


@breaks("ids_are_compared_exactly")
class IgnoresSpacesAtTheEndOfIds(DictStorage):
    def key(self, id):
        return id.rstrip(" ")


@breaks("ids_are_compared_exactly")
class IgnoresEmojiInIds(DictStorage):
    def key(self, id):
        return re.sub("[^\0-\uffff]", "?", id)


@breaks("shops_are_compared_exactly")
class IgnoresTheCaseOfShops(DictStorage):
    def belongs(self, row, shop):
        return row.shop.lower() == shop.lower()


@breaks("shops_are_compared_exactly")
class IgnoresSpacesAtTheEndOfShops(DictStorage):
    def belongs(self, row, shop):
        return row.shop.rstrip(" ") == shop.rstrip(" ")


@breaks("shops_are_compared_exactly")
class FindsWithLike(DictStorage):
    def belongs(self, row, shop):
        pattern = re.escape(shop).replace("%", ".*").replace("_", ".")
        return re.fullmatch(pattern, row.shop, re.DOTALL) is not None


@breaks("shops_are_compared_exactly")
class FindsWithGlob(DictStorage):
    def belongs(self, row, shop):
        return row.shop == shop or fnmatchcase(row.shop, shop)


@breaks("members_of_enumerations_are_their_text")
class FormatsIds(DictStorage):
    def key(self, id):
        return f"{id}"
