"""Runs an embedded Shopify app, from the first visit to the uninstall, and shows what it stores.

python3 tools/demo.py                              in a temporary SQLite file
python3 tools/demo.py --serve                      and keeps a page to play with until Ctrl-C
python3 tools/demo.py --storage sqlite:///demo.db  in a storage of your choice

The app is FastAPI with Shopify's own package, on a real server; only Shopify's token endpoint is
simulated. Exits with 0 if all went as it should.
"""

import environment

environment.enter()

import argparse  # noqa: E402  # the environment comes first
import asyncio  # noqa: E402
import io  # noqa: E402
import secrets  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import AsyncIterator, Iterator  # noqa: E402
from contextlib import asynccontextmanager, contextmanager, suppress  # noqa: E402
from importlib.metadata import version  # noqa: E402
from pathlib import Path  # noqa: E402

import httpx  # noqa: E402
import uvicorn  # noqa: E402
from demo_app.actions import Actions  # noqa: E402
from demo_app.app import create_app  # noqa: E402
from demo_app.merchants import Merchants, StoryError  # noqa: E402
from demo_app.page import add_page  # noqa: E402
from demo_app.report import Report, ReportedStorage  # noqa: E402
from demo_app.shopify import Credentials, SimulatedShopify  # noqa: E402
from demo_app.story import SHOPS, Story  # noqa: E402
from fastapi import FastAPI  # noqa: E402
from shopify_app import ShopifyApp  # noqa: E402
from shopify_session_storage import (  # noqa: E402
    SessionStorage,
    SessionStorageError,
    open_session_storage,
)


class Server(uvicorn.Server):
    """A uvicorn that leaves Ctrl-C to the demo."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


@asynccontextmanager
async def serving(app: FastAPI, port: int) -> AsyncIterator[str]:
    """Run *app* on a loopback port, 0 for a free one, and give its URL."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        # No access log: the URL of an embedded page holds an ID token.
        config = uvicorn.Config(
            app, access_log=False, log_level="warning", lifespan="on", timeout_graceful_shutdown=2
        )
        server = Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started:
                if running.done():
                    raise StoryError("the app did not start")
                await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


async def run(storage: SessionStorage, where: str, options: argparse.Namespace) -> None:
    """Run the demo on *storage*. Cancelled by Ctrl-C, or when somebody ends the process."""
    loop, this = asyncio.get_running_loop(), asyncio.current_task()
    assert this is not None
    with suppress(NotImplementedError):  # on Windows, where Ctrl-C cancels all the same
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, this.cancel)
    report = Report(sys.stdout)
    credentials = Credentials(secrets.token_hex(16), f"shpss_{secrets.token_hex(16)}")
    shopify = SimulatedShopify(
        credentials, SHOPS, lambda answer: report.event("app", "Shopify", answer)
    )
    watched = ReportedStorage(storage, report)
    async with httpx.AsyncClient(transport=shopify) as to_shopify:
        app = create_app(
            ShopifyApp(credentials.client_id, credentials.client_secret), watched, to_shopify
        )
        await storage.ready()  # fails here, with the reason, rather than in the server's start
        async with serving(app, options.port) as url:
            report.line("An embedded Shopify app", "bold")
            report.line(f"  app      FastAPI with shopifyapp {version('shopifyapp')} at {url}")
            report.line(f"  storage  {type(storage).__name__}, {where}")
            report.line("  Shopify  its token endpoint, simulated")
            async with httpx.AsyncClient(base_url=url, timeout=60) as client:
                merchants = Merchants(report, credentials, client)
                await Story(report, shopify, credentials, storage, watched, merchants).tell()
                if options.serve:
                    actions = Actions(report, storage, app.state.tokens, merchants, credentials)
                    add_page(app, actions, SHOPS)
                    report.line(
                        f"\nThe sessions are shown at {url}/ until you press Ctrl-C.", "bold"
                    )
                    try:
                        await asyncio.Event().wait()
                    except asyncio.CancelledError:
                        report.line("\nStopped.")


def main() -> int:
    """Run the demo as the command line says, and return the exit status."""
    parser = argparse.ArgumentParser(
        description="Runs an embedded Shopify app, from the first visit to the uninstall.",
    )
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="where to keep the sessions, such as memory:// or postgresql://...; "
        "sessions of the demo's own shops are replaced; default: a temporary SQLite file",
    )
    parser.add_argument(
        "--serve",
        action="store_true",
        help="keep a page with the sessions until Ctrl-C",
    )
    parser.add_argument("--port", type=int, default=0, help="the app's port; default: a free one")
    options = parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # arrows, on a terminal that has none

    with tempfile.TemporaryDirectory(
        prefix="session-storage-demo-", ignore_cleanup_errors=True
    ) as folder:
        path = Path(folder) / "sessions.db"
        url, where = f"sqlite:///{path.as_posix()}", str(path)
        if options.storage is not None:
            url, where = options.storage, "as asked for"  # not the URL, which may hold a password
        try:
            storage = open_session_storage(url, on_error="raise")
        except ValueError as error:
            parser.error(f"--storage: {error}")
        try:
            asyncio.run(run(storage, where, options))
        except (KeyboardInterrupt, asyncio.CancelledError):
            return 130
        except (StoryError, SessionStorageError, httpx.HTTPError, OSError) as error:
            print(f"\nThe demo failed: {str(error) or type(error).__name__}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
