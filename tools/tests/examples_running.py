"""An example, started as its users start it, and a merchant and Shopify who come to it."""

import base64
import hashlib
import hmac
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

import environment
import pytest
from servers.discovery import accepts, free_port

EXAMPLES = environment.ROOT / "tools" / "examples"
WITH_FAKE = Path(__file__).with_name("examples_with_fake.py")

SECRET = re.compile(r"shp(at|ua|rt|ss)_[0-9a-f]{8}")


def command(fake, *arguments):
    return [sys.executable, str(WITH_FAKE), fake.url, *arguments]


def variables(fake, **more):
    return {
        **os.environ,
        "SHOPIFY_API_KEY": fake.client_id,
        "SHOPIFY_API_SECRET": fake.client_secret,
        **more,
    }


def run(fake, *arguments, folder=EXAMPLES, **more):
    """Run an example to its end, and return its exit status and what it printed."""
    done = subprocess.run(
        command(fake, *arguments),
        cwd=folder, env=variables(fake, **more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    assert not SECRET.search(done.stdout), done.stdout
    return done.returncode, done.stdout


@contextmanager
def at_work(fake, *arguments, log, ready, folder=EXAMPLES, **more):
    """Run an example until the context ends: from when *ready* says so of what it has printed."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(fake, *arguments),
            cwd=folder, env=variables(fake, **more), stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not ready(log.read_text()):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            pytest.fail(f"the example does not end:\n{log.read_text()}")
    printed = log.read_text()
    assert "Traceback" not in printed, printed
    assert not SECRET.search(printed), printed


@contextmanager
def serving(fake, *arguments, log, **options):
    """Run an example that serves, and give its URL; PORT in an argument becomes the port."""
    port = free_port()
    arguments = [argument.replace("PORT", str(port)) for argument in arguments]
    with at_work(fake, *arguments, log=log, ready=lambda _: accepts(port), **options):
        yield f"http://127.0.0.1:{port}"


def visit(fake, shop="alpha"):
    """Return the headers of a merchant who opens the app."""
    return {"Authorization": f"Bearer {fake.id_token(shop)}"}


def webhook(fake, when, shop="alpha", body=b"{}"):
    """Return the headers and the body with which Shopify says that a shop has uninstalled."""
    signature = hmac.new(fake.client_secret.encode(), body, hashlib.sha256).digest()
    headers = {
        "X-Shopify-Hmac-Sha256": base64.b64encode(signature).decode(),
        "X-Shopify-Shop-Domain": f"{shop}.myshopify.com",
        "X-Shopify-Topic": "app/uninstalled",
        "X-Shopify-Triggered-At": when.astimezone(UTC).isoformat(),
    }
    return {"content": body, "headers": headers}
