"""Addresses: what a URL says."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit


def checked_url(url: str) -> tuple[str, str | None]:
    """Return a URL without its parameter ``schema``, and that parameter."""
    if not isinstance(url, str):
        raise TypeError(f"url must be a str or an asyncpg.Pool, not {type(url).__name__}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("the PostgreSQL URL is malformed") from None
    # Messages show no part of the URL, which may hold a password.
    if parts.scheme not in ("postgresql", "postgres") or port == 0:
        raise ValueError("a PostgreSQL URL is postgresql://user:password@host:port/database")
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    schemas = [value for name, value in parameters if name == "schema"]
    if not schemas:
        return url, None
    rest = urlencode([(name, value) for name, value in parameters if name != "schema"])
    return urlunsplit(parts._replace(query=rest)), schemas[-1]
