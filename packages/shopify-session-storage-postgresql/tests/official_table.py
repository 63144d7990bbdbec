"""Tables as the official adapter makes them, and sessions that show whether they are migrated."""

from datetime import UTC, datetime

from shopify_session_storage import Session
from shopify_session_storage.testing.sessions import offline_session
from shopify_session_storage_postgresql import PostgreSQLSessionStorage

from .conftest import query

SHOP = "alpha.myshopify.com"
# As version 8 of the official adapter makes it.
TABLE = """CREATE TABLE shopify_sessions (id varchar(255) NOT NULL PRIMARY KEY,
shop varchar(255) NOT NULL, state varchar(255) NOT NULL, "isOnline" boolean NOT NULL,
scope varchar(1024), expires integer, "accessToken" varchar(255), "refreshToken" varchar(255),
"refreshTokenExpires" bigint, "userId" bigint, "firstName" varchar(255), "lastName" varchar(255),
email varchar(255), "accountOwner" boolean, locale varchar(255), collaborator boolean,
"emailVerified" boolean);"""
ROWS = """INSERT INTO shopify_sessions (id, shop, state, "isOnline", scope, expires, "accessToken")
SELECT 'offline_' || n || '.example', n || '.example', '', false, 'read_products', 1900000000,
'shpat_' || n FROM generate_series(1, {}) AS n;"""
BROKEN = """UPDATE pg_index SET indisvalid = false
WHERE indexrelid = 'shopify_sessions_shop_index'::regclass"""
INDEXES = "SELECT indexdef FROM pg_indexes WHERE tablename = 'shopify_sessions'"
TYPE = "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attname = 'expires' AND \
attrelid = 'shopify_sessions'::regclass"


def long_session(shop: str = SHOP) -> Session:
    """Return a session that does not fit the types of the official adapter."""
    return offline_session(
        shop, access_token="x" * 400, expires=datetime(2040, 1, 1, tzinfo=UTC), refresh_token="r"
    )


async def works(storage: PostgreSQLSessionStorage, session: Session) -> None:
    assert await storage.store_session(session) is True
    assert session.equals(await storage.load_session(session.id))


async def has_index(url: str) -> bool:
    return any("(shop)" in index for (index,) in await query(url, INDEXES))
