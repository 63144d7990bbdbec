"""Builds the documentation site from the READMEs, the guides, the examples and the docstrings.

python3 tools/docs.py            writes it to .cache/docs/html
python3 tools/docs.py --serve    the same, and serves it on this machine

A broken link, an unknown name or a page that nothing leads to makes it fail.
"""

import environment

environment.enter()

import argparse  # noqa: E402  # the environment comes first
import contextlib  # noqa: E402
import functools  # noqa: E402
import http.server  # noqa: E402
import sys  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402

from docs import site  # noqa: E402


def main(arguments: Sequence[str]) -> int:
    """Build the site, serve it if *arguments* say so, and return the exit status."""
    parser = argparse.ArgumentParser(description="Builds the documentation site.")
    parser.add_argument(
        "--output", type=Path, default=environment.ROOT / ".cache/docs/html", metavar="DIRECTORY"
    )
    parser.add_argument("--serve", action="store_true", help="serve it until Ctrl-C")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args(arguments)
    output: Path = options.output.absolute()
    if not site.build(output):
        return 1
    print(f"The site is in {output}")
    if options.serve:
        _serve(output, options.port)
    return 0


def _serve(folder: Path, port: int) -> None:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"Read it at http://127.0.0.1:{server.server_port}/ (Ctrl-C ends)")
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
