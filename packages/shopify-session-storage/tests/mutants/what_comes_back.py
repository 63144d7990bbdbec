"""Storages with one behaviour broken each: what comes back."""

import re
from datetime import UTC, datetime, timedelta, timezone

from shopify_session_storage import OnlineAccessInfo
from shopify_session_storage.checks import check_session
from shopify_session_storage.stored import copy_session, stored_session

from .breaking import breaks, changed, with_user
from .storages import DictStorage


@breaks("offline_session_comes_back")
class ForgetsWhenTheRefreshTokenExpires(DictStorage):
    def write(self, session):
        return changed(session, refresh_token_expires=None)


@breaks("online_session_comes_back")
class ForgetsTheLastName(DictStorage):
    def write(self, session):
        return with_user(session, last_name=None)


@breaks("bare_session_comes_back")
class ReadsNoScopeAsAnEmptyOne(DictStorage):
    def read(self, row):
        return changed(row, scope=row.scope or "")


@breaks("online_session_always_has_user_info")
class OnlineWithoutUserInfo(DictStorage):
    def read(self, row):
        info = row.online_access_info
        return changed(row, online_access_info=None if info == OnlineAccessInfo() else info)


@breaks("user_data_of_offline_session_is_not_kept")
class KeepsUserDataOfOfflineSessions(DictStorage):
    async def store_session(self, session):
        check_session(session)
        kept = changed(stored_session(session), online_access_info=session.online_access_info)
        return await self.ask("store a session", self.put, copy_session(kept), failed=False)


@breaks("partial_user_comes_back")
class ReadsFalseFlagsAsUnknown(DictStorage):
    def read(self, row):
        info = row.online_access_info
        if info is None:
            return copy_session(row)
        flags = ("email_verified", "account_owner", "collaborator")
        return with_user(
            row, **{flag: getattr(info.associated_user, flag) or None for flag in flags}
        )


@breaks("partial_user_comes_back")
class ReadsUnknownFlagsAsFalse(DictStorage):
    def read(self, row):
        info = row.online_access_info
        if info is None:
            return copy_session(row)
        return with_user(row, account_owner=bool(info.associated_user.account_owner))


@breaks("empty_strings_are_kept")
class DropsEmptyStrings(DictStorage):
    def write(self, session):
        return changed(
            session, access_token=session.access_token or None, scope=session.scope or None
        )


@breaks("dates_come_back_in_utc")
class NaiveDates(DictStorage):
    def read(self, row):
        return changed(row, expires=row.expires and row.expires.replace(tzinfo=None))


@breaks("dates_come_back_in_utc")
class DatesInALocalZone(DictStorage):
    def read(self, row):
        zone = timezone(timedelta(hours=2))
        return changed(row, expires=row.expires and row.expires.astimezone(zone))


@breaks("dates_come_back_in_utc")
class DropsTheZoneOfDates(DictStorage):
    async def store_session(self, session):
        check_session(session)
        expires = session.expires and session.expires.replace(tzinfo=UTC)
        return await super().store_session(changed(session, expires=expires))


@breaks("early_and_late_dates_come_back")
class DatesOfThirtyTwoBits(DictStorage):
    def write(self, session):
        last = datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC)
        return changed(session, expires=session.expires and min(session.expires, last))


@breaks("milliseconds_are_never_rounded_up")
class RoundsMillisecondsUp(DictStorage):
    def write(self, session):
        expires = session.expires
        if expires is not None and expires.microsecond >= 500_000:
            expires = expires.replace(microsecond=0) + timedelta(seconds=1)
        return changed(session, expires=expires)


@breaks("user_ids_come_back_exactly")
class UserIdAsFloat(DictStorage):
    def read(self, row):
        info = row.online_access_info
        if info is None or info.associated_user.id is None:
            return copy_session(row)
        return with_user(row, id=float(info.associated_user.id))


@breaks("user_ids_come_back_exactly")
class UserIdOfThirtyTwoBits(DictStorage):
    def write(self, session):
        info = session.online_access_info
        if info is None or info.associated_user.id is None:
            return session
        return with_user(session, id=min(info.associated_user.id, 2**31 - 1))


@breaks("long_texts_come_back")
class CutsLongTexts(DictStorage):
    def write(self, session):
        token = session.access_token
        return changed(session, access_token=token and token.encode()[:65_535].decode())


@breaks("any_unicode_comes_back")
class ThreeBytesOfUtf8(DictStorage):
    def write(self, session):
        scope = session.scope
        return changed(session, scope=scope and re.sub("[^\0-\uffff]", "?", scope))


@breaks("any_unicode_comes_back")
class NormalizesLineEnds(DictStorage):
    def write(self, session):
        return changed(session, state=session.state.replace("\r", "\n"))
