"""URLs and options: honoured, or refused without showing them."""

import inspect
import ssl
from datetime import timedelta

import aiomysql
import pytest
from servers import mysql
from servers.discovery import free_port
from shopify_session_storage_mysql import MySQLSessionStorage
from shopify_session_storage_mysql.addresses import parse_url

from .conftest import run_sql


@pytest.mark.asyncio
async def test_passwords_and_names_may_have_any_characters(database_url):
    password = "pä ß€😀/@:?#%'\"\\"
    literal = password.replace("\\", "\\\\").replace("'", "''")
    name = f"üser {free_port()}"
    await run_sql(database_url, f"CREATE USER `{name}` IDENTIFIED BY '{literal}'")
    await run_sql(database_url, f"GRANT ALL ON *.* TO `{name}`")
    options = mysql.options_of(database_url)
    storage = MySQLSessionStorage.with_credentials(
        options["host"], options["db"], name, password, port=options["port"]
    )
    async with storage:
        assert await storage.is_ready()
    await run_sql(database_url, f"DROP USER `{name}`")


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("", ValueError),
        ("postgresql://user:secret@host/database", ValueError),
        ("mysql://user:secret@host:port/database", ValueError),
        ("mysql://user:secret@[host/database", ValueError),
        ("mysql://user:secret@host", ValueError),
        ("mysql://user:secret@host/", ValueError),
        ("mysql://host/database", ValueError),
        ("mysql://user:se#secret@host/database", ValueError),
        ("mysql://user:secret%ff@host/database", ValueError),
        ("mysql://user:secret@host/database?ssl-mode=secret", ValueError),
        ("mysql://user:secret@host/database?ssl-modus=REQUIRED", ValueError),
        (None, TypeError),
        (b"mysql://host", TypeError),
    ],
)
def test_unusable_urls_are_refused_without_showing_them(url, error):
    with pytest.raises(error) as caught:
        MySQLSessionStorage(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["quo`te", "quo'te", 'quo"te', "", "nul\0", "x" * 65])
def test_unusable_names_are_refused(name):
    with pytest.raises(ValueError, match="session_table_name"):
        MySQLSessionStorage("mysql://user@host/database", session_table_name=name)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"connection_pool_limit": 0}, ValueError),
        ({"pool_options": 5}, TypeError),
        ({"connection_pool_limit": "10"}, TypeError),
        ({"connection_pool_limit": True}, TypeError),
        ({"pool_options": {"autocommit": False}}, ValueError),
        ({"pool_options": {"maxsize": 3}}, ValueError),
        ({"pool_options": {"ssl": True}}, TypeError),
        ({"session_table_name": 1}, TypeError),
        ({"on_error": "ignore"}, ValueError),
    ],
)
def test_unusable_options_are_refused(options, error):
    with pytest.raises(error):
        MySQLSessionStorage("mysql://user@host/database", **options)
    with pytest.raises(ValueError, match="TLS"):
        MySQLSessionStorage(
            "mysql://user@host/database?ssl-mode=REQUIRED",
            pool_options={"ssl": ssl.create_default_context()},
        )


@pytest.mark.asyncio
async def test_pool_options_are_for_our_own_pool():
    pool = await aiomysql.create_pool(0)
    with pytest.raises(ValueError, match="pool_options"):
        MySQLSessionStorage(pool, pool_options={})
    waiting = aiomysql.create_pool(0)
    with pytest.raises(TypeError, match="awaiting"):
        MySQLSessionStorage(waiting)
    waiting.close()


@pytest.mark.parametrize(
    ("parameters", "mode"),
    [
        ("ssl-mode=REQUIRED", "REQUIRED"),  # DigitalOcean, Aiven
        ("sslmode=require", "REQUIRED"),
        ("sslMode=VERIFY_IDENTITY", "VERIFY_IDENTITY"),  # JDBC
        ("ssl_mode=verify-ca", "VERIFY_CA"),
        ("sslaccept=strict", "VERIFY_IDENTITY"),  # Prisma, PlanetScale
        ("sslaccept=accept_invalid_certs&sslcert=/ca.pem", "REQUIRED"),
        ("sslcert=/ca.pem", "VERIFY_CA"),
        ("ssl-ca=/ca.pem", "VERIFY_CA"),
        ("ssl_ca=/ca.pem&ssl_verify_identity=true", "VERIFY_IDENTITY"),  # PyMySQL
        ("ssl_disabled=true", "DISABLED"),
        ("useSSL=true&requireSSL=false", "PREFERRED"),  # Azure
        ("useSSL=false&requireSSL=false&verifyServerCertificate=false", "DISABLED"),
        ("useSSL=true&requireSSL=true", "REQUIRED"),
        ("useSSL=true&requireSSL=true&verifyServerCertificate=true", "VERIFY_CA"),
        ("ssl=%7B%22rejectUnauthorized%22:true%7D", "VERIFY_IDENTITY"),  # Node, PlanetScale
        ("ssl=%7B%22rejectUnauthorized%22:false%7D", "REQUIRED"),
        ("ssl=true", "REQUIRED"),
        ("ssl=0", "DISABLED"),
        ("tls=skip-verify", "REQUIRED"),  # Go
        ("tls=true", "VERIFY_IDENTITY"),
    ],
)
def test_tls_is_honoured_in_the_words_of_every_program(parameters, mode):
    assert parse_url(f"mysql://user:secret@host/database?{parameters}").tls.mode == mode


@pytest.mark.parametrize(
    "parameters",
    [
        "connection_limit=5&pool_timeout=20&connect_timeout=10&socket_timeout=30",  # Prisma
        "charset=utf8mb4&timezone=Z&multipleStatements=true&connectionLimit=5",  # Node
        "serverTimezone=UTC&useUnicode=true&characterEncoding=UTF-8&autoReconnect=true",  # JDBC
        "allowPublicKeyRetrieval=true&zeroDateTimeBehavior=convertToNull",
        "encoding=utf8mb4&pool=5&reconnect=true",  # Rails, ClearDB
        "parseTime=true&loc=UTC&charset=utf8mb4",  # Go
        "charset=utf8mb4_general_ci&use_unicode=1",
    ],
)
@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+aiomysql", "mysql+pymysql", "MySQL"])
def test_parameters_of_other_programs_are_known(parameters, scheme):
    address = parse_url(f"{scheme}://user:secret@host/database?{parameters}")
    assert address.options["db"] == "database"
    assert address.limit == (5 if "=5" in parameters else None)
    MySQLSessionStorage(f"{scheme}://user:secret@host/database?{parameters}")


def test_what_a_url_says_is_honoured():
    address = parse_url(
        "mysql://us%40er:p%2Fw%2B+@host:3307/da%2Ftabase?connectTimeout=1500&socket_timeout=4"
        "&socket=/run/mysqld.sock&init_command=SET%20a=1&pool_recycle=60"
    )
    assert address.options == {
        "host": "host", "port": 3307, "user": "us@er", "password": "p/w++", "db": "da/tabase",
        "connect_timeout": 1.5, "unix_socket": "/run/mysqld.sock", "init_command": "SET a=1",
        "pool_recycle": 60,
    }  # fmt: skip
    assert address.seconds == 4
    assert parse_url("mysql://u@%2Frun%2Fsocket/d").options["unix_socket"] == "/run/socket"
    storage = MySQLSessionStorage("mysql://u:p@h/d?socket_timeout=4&connection_limit=3")
    assert storage._timeout == timedelta(seconds=4)
    assert storage._limit == 3
    storage = MySQLSessionStorage(
        "mysql://u:p@h/d?socket_timeout=40&connection_limit=3", connection_pool_limit=7
    )
    assert storage._timeout == timedelta(seconds=10)
    assert storage._limit == 7


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("mysql://u:secret@h/d?unheard_of=secret", "unheard_of"),
        ("mysql://u:secret@h/d?connect_timeout=secret", "connect_timeout"),
        ("mysql://u:secret@h/d?connection_limit=secret", "connection_limit"),
        ("mysql://u:secret@h/d?connection_limit=0", "limit"),
        ("mysql://u:secret@h/d?sslaccept=secret", "sslaccept"),
        ("mysql://u:secret@h/d?ssl=secret", "ssl"),
        ("mysql://u:secret@h/d?ssl=%7Bsecret", "ssl"),
        ("mysql://u:secret@h/d?useSSL=secret", "useSSL"),
        ("mysql://u:secret@h/d?sslidentity=secret.p12", "sslidentity"),
        ("mysql://u:secret@h/d?charset=latin1", "charset"),
        ("mysql://u:secret@h1,h2/d", "one host"),
        ("mysql://u:x@secret/word@h/d", "escaping"),
        ("mysql://u:1?secret@h/d", "user and a database"),
        ("mysql://u:secret/x@h/d", "malformed|escaping"),
        ("mysql+odbc://u:secret@h/d", "mysql://"),
    ],
)
def test_what_is_not_known_is_refused_by_name(url, hint):
    with pytest.raises(ValueError, match=hint) as caught:
        MySQLSessionStorage(url)
    error = caught.value
    assert "secret" not in f"{error} {error.__cause__} {error.__context__}"
    while error is not None:  # no frame below ours keeps the URL
        frames = [frame.frame for frame in inspect.getinnerframes(error.__traceback__)]
        assert not any("secret" in repr(frame.f_locals) for frame in frames[1:])
        error = error.__context__
