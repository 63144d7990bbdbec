"""The words of the command line."""

import argparse
import re
from typing import Final, NoReturn

from shopify_session_storage import __version__
from shopify_session_storage.cli.commands import (
    copy,
    doctor,
    list_,
    migrate,
    purge,
    reencrypt,
    show,
)
from shopify_session_storage.cli.exits import HELP

COMMANDS: Final = {
    "list": list_,
    "show": show,
    "copy": copy,
    "purge": purge,
    "migrate": migrate,
    "doctor": doctor,
    "reencrypt": reencrypt,
}

_URLS: Final = """\
URLs are those of open_session_storage(), such as sqlite:///sessions.db or
postgresql://user:password@host/database. Everybody on a machine can see the
arguments of a command, so name an environment variable instead: write
env:DATABASE_URL in place of a URL, or --url-env DATABASE_URL. Only show
--reveal shows whole tokens.
"""


class Parser(argparse.ArgumentParser):
    """A parser that repeats no URL in what it says."""

    def error(self, message: str) -> NoReturn:
        super().error(re.sub("://.*", "://…", message, flags=re.DOTALL))


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``shopify-sessions``."""
    whole = Parser(
        prog="shopify-sessions",
        description="Looks after the stored sessions of a Shopify app.",
        epilog=f"{_URLS}\n{HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    whole.add_argument(
        "--version",
        action="version",
        version=f"%(prog)s {__version__}",
        help="tell the version, and end",
    )
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        one = commands.add_parser(
            name,
            help=module.HELP,
            description=module.DESCRIPTION,
            epilog=f"{_URLS}\n{HELP}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(one)
        one.add_argument("--json", action="store_true", help="write results as JSON")
        one.add_argument(
            "-v", "--verbose", action="store_true", help="write what the storages log to stderr"
        )
    return whole
