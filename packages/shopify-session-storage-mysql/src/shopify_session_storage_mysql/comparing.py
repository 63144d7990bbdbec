"""Comparisons and leases, each in one statement where that is enough.

What has happened is told by the number of affected rows, as on every server that speaks this
protocol. On most connections an UPDATE counts the rows that it changes, so that "found, and as it
was" is 0, as "not found" is. On those with CLIENT.FOUND_ROWS it counts the rows that it finds, so
that "there, and left as it was" is the same 1 as "inserted". Where the server leaves it open, one
looks.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import aiomysql
from shopify_session_storage import Session

from shopify_session_storage_mysql import errors
from shopify_session_storage_mysql.errors import code_of
from shopify_session_storage_mysql.operations import MySQLOperations


class MySQLComparing(MySQLOperations):
    """Conditional writes and leases."""

    def _build_comparisons(self, columns: Sequence[str]) -> None:
        super()._build_comparisons(columns)
        self._insert_new = f"{self._insert}VALUES {self.dialect.placeholders(len(columns))}"
        tokens = [self.dialect.is_same(token, "%s") for token in self._tokens()]
        self._has_tokens = " AND ".join([f"{self._id} = %s", *tokens])

    def _build_leases(self) -> None:
        super()._build_leases()
        now = self.dialect.now
        holds, is_holder = "holder = VALUES(holder)", "holder = %s"
        if not self._layout.owned:  # whose collation may take two holders for one
            holds = self.dialect.is_same("holder", "VALUES(holder)")
            is_holder = self.dialect.is_same("holder", "%s")
            self._release = self._release.replace("holder = %s", is_holder)
        # Right whether the second assignment sees the new holder, as on MySQL, or the old one. A
        # lease that is renewed within a millisecond ends one later, so that its row changes.
        self._acquire = (
            f"INSERT INTO {self._quoted_leases} (name, holder, expires) "
            f"VALUES (%s, %s, {now} + %s) ON DUPLICATE KEY UPDATE "
            f"holder = IF({holds} OR expires <= {now}, VALUES(holder), holder), "
            f"expires = IF({holds} OR expires <= {now}, "
            "VALUES(expires) + (VALUES(expires) = expires), expires)"
        )
        self._holds = f"SELECT 1 FROM {self._quoted_leases} WHERE name = %s AND {is_holder}"

    async def _compare_and_store(self, session: Session, expected: Session | None) -> bool:
        row = self._to_row(session)
        if expected is None:
            return await self._insert_if_new(session, row)
        tokens = self._mapping.tokens(expected)
        has_tokens = (session.id, *tokens)
        exactly = () if self._tells_keys_apart else (session.id,)
        while True:
            parameters = (*row[1:], *has_tokens, *exactly)
            done = await self._write(self._replace, parameters)
            if done.affected:
                return True
            if done.found is not None or tokens != self._mapping.tokens(session):
                return bool(done.found)
            # Either there are other tokens, or all of it is there already.
            stored = await self._load_one(session.id)
            if stored is None or tokens != self._mapping.tokens(stored):
                return False
            if self._to_row(stored) == row:
                return True

    async def _insert_if_new(self, session: Session, row: tuple[Any, ...]) -> bool:
        try:
            await self._execute(self._insert_new, row)
        except aiomysql.IntegrityError as error:
            if code_of(error) != errors.DUPLICATE:
                raise
            failure = error
        else:
            return True
        # It may be about an index of somebody's own, or an id that only the collation confuses.
        if self._tells_keys_apart and str(failure.args[-1]).endswith("PRIMARY'"):
            return False
        if await self._load_one(session.id) is None:
            raise failure
        return False

    async def _compare_and_delete(self, expected: Sequence[Session]) -> Iterable[str]:
        conditions = " OR ".join([f"({self._has_tokens})"] * len(expected))
        values = [
            value for session in expected for value in (session.id, *self._mapping.tokens(session))
        ]
        ids = [session.id for session in expected]
        if not self._tells_keys_apart:
            condition, exactly = self._is_one_of(self._id, ids)
            conditions, values = f"({conditions}) AND {condition}", [*values, *exactly]
        done = await self._write(self._delete_from + conditions, values)
        if done.affected == len(ids):
            return []
        condition, parameters = self._is_one_of(self._id, ids)
        rows = await self._fetch(
            f"SELECT {self._id} FROM {self._quoted} WHERE {condition}", parameters
        )
        return [row[0] for row in rows]

    async def _acquire_lease(self, name: str, holder: str, milliseconds: int) -> bool:
        if not self._has_leases:
            await self._ensure_leases()
        done = await self._write(self._acquire, (name, holder, milliseconds))
        if not (done.counts_found and done.affected == 1):
            return done.affected > 0
        return bool(await self._fetch(self._holds, (name, holder)))
