"""compare_and_store() and leases on PostgreSQL."""

from servers.comparing import SqlComparing
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

from .conftest import limited_user, query, run_sql, through


class TestComparing(SqlComparing):
    storage = PostgreSQLSessionStorage
    through = staticmethod(through)
    query = staticmethod(query)
    run_sql = staticmethod(run_sql)
    limited_user = staticmethod(limited_user)
