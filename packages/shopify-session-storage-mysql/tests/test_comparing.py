"""compare_and_store() and leases on MySQL."""

import pytest
from aiomysql.connection import CLIENT
from servers.comparing import SqlComparing
from shopify_session_storage_mysql import MySQLSessionStorage, statements

from .conftest import compares, limited_user, query, run_sql, through


class TestComparing(SqlComparing):
    storage = MySQLSessionStorage
    through = staticmethod(through)
    query = staticmethod(query)
    run_sql = staticmethod(run_sql)
    limited_user = staticmethod(limited_user)

    @pytest.mark.parametrize("flag", [0, CLIENT.FOUND_ROWS])
    @pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
    async def test_answers_are_right_whatever_rows_count_as_affected(
        self, database_url, monkeypatch, flag, told
    ):
        if not told:  # some servers do not say how many rows an UPDATE has found
            change = statements.change

            async def silent(connection, sql):
                outcome = await change(connection, sql)
                return outcome if outcome.counts_found else outcome._replace(found=None)

            monkeypatch.setattr(statements, "change", silent)
        async with MySQLSessionStorage(
            database_url, pool_options={"client_flag": flag}, on_error="raise"
        ) as storage:
            await compares(storage)
