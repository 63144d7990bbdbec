"""One database that both languages can open, on each backend, and what is not kept there."""

from interop.backends.backend import Backend, Space
from interop.backends.dynamodb import DYNAMODB
from interop.backends.kv import KV
from interop.backends.mongodb import MONGODB
from interop.backends.mysql import MYSQL
from interop.backends.postgresql import POSTGRESQL
from interop.backends.redis import REDIS
from interop.backends.sqlite import SQLITE

__all__ = [
    "BACKENDS",
    "DYNAMODB",
    "KV",
    "MONGODB",
    "MYSQL",
    "POSTGRESQL",
    "REDIS",
    "SQLITE",
    "Backend",
    "Space",
]

BACKENDS = (SQLITE, POSTGRESQL, MYSQL, REDIS, MONGODB, DYNAMODB, KV)
