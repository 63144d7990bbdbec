"""Storages with one behaviour broken each: walking through all sessions."""

from dataclasses import replace

from shopify_session_storage.pages import SessionPage

from .breaking import breaks
from .storages import DictStorage


@breaks("scan_sees_every_session")
class EndsAfterTheFirstPage(DictStorage):
    async def page(self, place):
        return replace(await super().page(place), after=None)


@breaks("scan_sees_every_session")
class WalksThroughOfflineSessionsAlone(DictStorage):
    async def page(self, place):
        page = await super().page(place)
        return replace(page, sessions=[one for one in page.sessions if not one.is_online])


@breaks("scan_sees_every_session")
class WalksWithoutTokens(DictStorage):
    async def page(self, place):
        page = await super().page(place)
        for one in page.sessions:
            one.access_token = None
        return page


@breaks("scan_sees_every_session")
class TakesWhatHasNoDateForUnreadable(DictStorage):
    async def page(self, place):
        page = await super().page(place)
        sound = [one for one in page.sessions if one.expires is not None]
        corrupt = [one.id for one in page.sessions if one.expires is None]
        return SessionPage(sound, corrupt, page.after)


@breaks("scan_ends_with_a_page_that_says_so")
class EndsWithoutSayingSo(DictStorage):
    async def page(self, place):
        page = await super().page(place)
        return page if page.after else replace(page, after=self.last)

    async def pages(self, after, batch):
        self.last = "end"
        async for page in super().pages(after, batch):
            yield page
            if page.after == "end":
                return


@breaks("scan_ends_with_a_page_that_says_so")
class GivesNumbersForPlaces(DictStorage):
    async def pages(self, after, batch):
        async for page in super().pages(after, batch):
            yield replace(page, after=page.after and 5)


@breaks("scan_goes_on_where_another_ended")
class KnowsItsOwnPlacesAlone(DictStorage):
    async def page(self, place):
        page = await super().page(place)
        if place[0] is not None and place[0] != self.__dict__.get("last"):
            page = SessionPage()
        self.last = page.after
        return page


@breaks("scan_sees_what_stays_whatever_changes")
class CountsItsWay(DictStorage):
    """With an offset, as LIMIT 5 OFFSET 10 has it."""

    async def page(self, place):
        after, batch = place
        first = int(after or 0)
        ids = sorted(self.backend.rows)[first : first + batch]
        sessions = [self.read(self.backend.rows[id]) for id in ids]
        return SessionPage(sessions, after=str(first + batch) if len(ids) == batch else None)


@breaks("many_walks_at_once_each_see_all")
class WalksOnce(DictStorage):
    """All walks share one place."""

    async def page(self, place):
        page = await super().page((self.__dict__.get("place"), place[1]))
        self.place = page.after
        return page


@breaks("scanned_sessions_are_the_callers_own")
class GivesItsOwnSessionsAway(DictStorage):
    async def page(self, place):
        page = await super().page(place)
        return replace(page, sessions=[self.backend.rows[one.id] for one in page.sessions])


@breaks("scan_checks_its_arguments")
class WalksAnyWay(DictStorage):
    def scan_sessions(self, *, after=None, batch=500):
        return self.pages(after if isinstance(after, str) else None, 500)


@breaks("scan_raises_whatever_on_error_says")
class TakesAFailureForTheEnd(DictStorage):
    async def pages(self, after, batch):
        if self.broken:
            yield SessionPage()
            return
        async for page in super().pages(after, batch):
            yield page
