"""Session storage for Shopify apps in MySQL and MariaDB."""

__version__ = "1.0.0"

from shopify_session_storage_mysql.storage import MySQLSessionStorage, open_url

__all__ = ["MySQLSessionStorage", "open_url"]
