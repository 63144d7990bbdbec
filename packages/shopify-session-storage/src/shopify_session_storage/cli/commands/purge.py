"""``purge``: delete the sessions that are of no use to anybody."""

import argparse
from typing import Final

from shopify_session_storage.cli.exits import Exit, Stop
from shopify_session_storage.cli.opening import opened, opened_to_read
from shopify_session_storage.cli.printing import Output
from shopify_session_storage.cli.words import add_place, moment, place_of

HELP: Final = "delete sessions that have expired"
DESCRIPTION: Final = """\
Deletes online sessions that have expired. With --offline, it also deletes
offline sessions whose tokens have all expired; many apps take an offline
session as the sign that a shop has the app installed. Sessions that are
refreshed meanwhile stay. If the command is interrupted, run it again.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words of this command."""
    add_place(parser)
    parser.add_argument("--offline", action="store_true", help="also delete dead offline sessions")
    parser.add_argument(
        "--before",
        type=moment,
        metavar="D",
        help="only what expired before this date, or longer ago than this (1d)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only count them")


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
