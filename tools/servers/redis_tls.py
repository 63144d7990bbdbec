"""A Redis server with TLS alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from servers.discovery import free_port, need
from servers.redis import DEBIAN_PACKAGES, PROGRAMS, SETTINGS, run, url_of


@contextmanager
def tls(directory: Path) -> Iterator[str]:
    """Run Redis with TLS alone; the URL names the certificate of its authority."""
    import trustme

    need(PROGRAMS, DEBIAN_PACKAGES)
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    ca, own, key = (directory / name for name in ("ca.pem", "server.pem", "key.pem"))
    authority.cert_pem.write_to_path(str(ca))
    certificate.private_key_pem.write_to_path(str(key))
    certificate.cert_chain_pems[0].write_to_path(str(own))
    port = free_port()
    url = f"{url_of('localhost', port, 'rediss')}?ssl_ca_certs={quote(str(ca))}"
    with run(
        directory, "redis-server", "--port", "0", "--tls-port", str(port), *SETTINGS,
        "--tls-cert-file", str(own), "--tls-key-file", str(key), "--tls-ca-cert-file", str(ca),
        "--tls-auth-clients", "no", url=url,
    ):  # fmt: skip
        yield url
