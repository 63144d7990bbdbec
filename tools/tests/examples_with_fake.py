"""Runs a program, or a module as with ``python -m``, for which Shopify is a local server.

python examples_with_fake.py URL flask --app flask_app run
python examples_with_fake.py URL script.py my-shop
"""

import runpy
import ssl
import sys

from shopify_session_storage.testing.shopify import shops_at

url, program, *arguments = sys.argv[1:]
sys.argv = [program, *arguments]
sys.path[0] = ""
# Shopify's package makes a client for each call, and loads certificates that nobody needs here.
ssl.SSLContext.load_verify_locations = lambda *_, **__: None
with shops_at(url):
    if program.endswith(".py"):
        runpy.run_path(program, run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
