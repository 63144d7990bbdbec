"""``migrate``: bring a storage up to date, or print the SQL that would."""

import argparse
from typing import Final

from shopify_session_storage.cli.exits import Exit, Stop
from shopify_session_storage.cli.opening import opened, to_read
from shopify_session_storage.cli.printing import Output
from shopify_session_storage.cli.words import add_place, place_of
from shopify_session_storage.sql.tables import SqlTables

HELP: Final = "create or upgrade the tables, or print the SQL for it"
DESCRIPTION: Final = """\
Does what an app does when it starts: creates the tables, or upgrades old ones
and keeps every row. --print changes nothing; it prints the SQL, for a user
who has the right to run it. If all is up to date, there is no SQL.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words of this command."""
    add_place(parser)
    parser.add_argument("--print", action="store_true", help="print the SQL; change nothing")


async def run(arguments: argparse.Namespace, output: Output) -> Exit:
    """Migrate, or print."""
    place = place_of(arguments)
    if arguments.print:
        storage = to_read(place)
        if not isinstance(storage, SqlTables):
            raise Stop(f"{place.scheme} has no SQL to print", Exit.USAGE)
        sql = await storage.migration_sql()
        if output.as_json:
            output.json({"sql": sql})
        elif sql:
            output.line(sql.rstrip("\n"))
        else:
            output.say(f"{place} is up to date")
        return Exit.DONE
    async with opened(place) as storage:
        left = await storage.migration_sql() if isinstance(storage, SqlTables) else ""
    if output.as_json:
        output.json({"up_to_date": not left, "left": left})
    elif left:
        output.line(left.rstrip("\n"))
    if left:
        output.say("this SQL is left to do; run it at a quiet time")
        return Exit.PARTIAL
    if not output.as_json:
        output.line(f"{place} is up to date")
    return Exit.DONE
