"""``purge``: delete the sessions that are of no use to anybody."""

import argparse
from typing import Final

from shopify_session_storage.cli.exits import Exit, Stop
from shopify_session_storage.cli.opening import opened, opened_to_read
from shopify_session_storage.cli.printing import Output
from shopify_session_storage.cli.words import add_place, moment, place_of

HELP: Final = "delete sessions that have expired"
DESCRIPTION: Final = """\
Deletes online sessions that have expired; with --offline, also offline ones of
which no token can be used or refreshed any more, which many apps take as the
sign that they are installed. What is refreshed meanwhile stays. If it is
interrupted, call it again.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words of this command."""
    add_place(parser)
    parser.add_argument("--offline", action="store_true", help="dead offline sessions, too")
    parser.add_argument(
        "--before",
        type=moment,
        metavar="D",
        help="what expired before this date, or longer ago than this (1d)",
    )
    parser.add_argument("--dry-run", action="store_true", help="count them only")


async def run(arguments: argparse.Namespace, output: Output) -> Exit:
    """Delete what is dead."""
    place = place_of(arguments)
    async with (opened_to_read if arguments.dry_run else opened)(place) as storage:
        output.progress.show(f"looking through {place} ...")
        try:
            report = await storage.purge_expired(
                before=arguments.before, offline=arguments.offline, dry_run=arguments.dry_run
            )
        except ValueError as error:
            raise Stop(str(error), Exit.USAGE) from None
    if output.as_json:
        output.json({"examined": report.examined, "deleted": report.deleted,
                     "dry_run": arguments.dry_run})  # fmt: skip
    else:
        deleted = "would be deleted" if arguments.dry_run else "deleted"
        output.line(f"{report.examined:,} examined, {report.deleted:,} {deleted}")
    return Exit.DONE
