"""Session storage for Shopify apps in MySQL and MariaDB."""

from shopify_session_storage_mysql.storage import MySQLSessionStorage, open_url

__all__ = ["MySQLSessionStorage", "open_url"]
