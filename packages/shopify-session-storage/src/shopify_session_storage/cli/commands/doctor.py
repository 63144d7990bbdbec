"""``doctor``: what is wrong with a storage, and what to do about it."""

import argparse
import textwrap
import time
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from typing import Final

from shopify_session_storage.cli.examining.census import DEADLINE, Census
from shopify_session_storage.cli.examining.findings import Finding
from shopify_session_storage.cli.examining.lists import Lists
from shopify_session_storage.cli.examining.logs import Logs
from shopify_session_storage.cli.examining.sql import examine_sql, version_of
from shopify_session_storage.cli.exits import Exit
from shopify_session_storage.cli.opening import to_read
from shopify_session_storage.cli.printing import Output, printable_lines
from shopify_session_storage.cli.progress import Rate
from shopify_session_storage.cli.urls import Place
from shopify_session_storage.cli.words import add_place, place_of
from shopify_session_storage.errors import MigrationError, SessionStorageError
from shopify_session_storage.sql.tables import SqlTables
from shopify_session_storage.storage import SessionStorage

HELP: Final = "find what is wrong with a storage, and say what to do"
DESCRIPTION: Final = """\
Examines a storage and all its sessions, and says what is wrong and what to
do. Counts what matters for Shopify's deadline of 2027-01-01: tokens that
never expire, and refresh tokens that expire soon. Changes nothing. The exit
code is 1 if something is broken, and 0 if there are only warnings.
"""

_INDENT: Final = 23
_NARROW: Final = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words of this command."""
    add_place(parser)


async def run(arguments: argparse.Namespace, output: Output) -> Exit:
    """Examine a storage."""
    place = place_of(arguments)
    census = Census(datetime.now(UTC))
    storage = to_read(place)
    with Logs() as logs:
        try:
            findings, code = await _examine(storage, place, census, output)
        finally:
            await storage.disconnect()
    findings += logs.findings()
    if output.as_json:
        output.json(
            {
                "storage": str(place),
                "findings": [vars(finding) for finding in findings],
                "numbers": census.numbers(),
                "days_to_deadline": (DEADLINE - datetime.now(UTC)).days,
            }
        )
    else:
        for finding in findings:
            _write(finding, output)
    return code


async def _examine(
    storage: SessionStorage, place: Place, census: Census, output: Output
) -> tuple[list[Finding], Exit]:
    findings: list[Finding] = []
    try:
        findings.append(await _reach(storage, place))
    except SessionStorageError as error:
        remedy = "check that the server runs, and that host, port, user and password are right"
        return [Finding("reach", "fail", str(error), remedy)], Exit.UNREACHABLE
    try:
        if isinstance(storage, SqlTables):
            findings += await examine_sql(storage)
    except MigrationError as error:
        remedy = "name the right table (--table), or its layout in the URL (?layout=)"
        findings.append(Finding("layout", "fail", str(error), remedy))
    findings.append(_reaches(storage))
    if not any(finding.level == "fail" for finding in findings):
        findings += await _count(storage, census, output)
    broken = any(finding.level == "fail" for finding in findings)
    return findings, Exit.PARTIAL if broken else Exit.DONE


async def _reach(storage: SessionStorage, place: Place) -> Finding:
    await storage.ready()
    began = time.perf_counter()
    await storage.ready()
    took = (time.perf_counter() - began) * 1000
    parts = [str(place), f"answers in {took:.1f} ms"]
    if isinstance(storage, SqlTables):
        parts.append(await version_of(storage))
    package = type(storage).__module__.partition(".")[0].replace("_", "-")
    with suppress(metadata.PackageNotFoundError):
        parts.append(f"{package} {metadata.version(package)}")
    return Finding("reach", "ok", ", ".join(part for part in parts if part))


def _reaches(storage: SessionStorage) -> Finding:
    """Tell how far comparisons and leases reach."""
    if storage.leases == storage.conditional_writes == "backend":
        return Finding("fencing", "ok", "comparisons and leases work across all processes")
    return Finding(
        "fencing",
        "warn",
        "comparisons or leases work within one process only: several processes that refresh a "
        "token at once can lose a shop",
        "pass AccessTokenStore(leases=) another storage, which keeps leases for all processes",
    )


async def _count(storage: SessionStorage, census: Census, output: Output) -> list[Finding]:
    rate, lists = Rate(), Lists(storage)
    try:
        async for page in storage.scan_sessions():
            census.add(page)
            await lists.look(page)
            speed = rate.add(len(page.sessions))
            output.progress.show(f"{census.sessions:,} examined, {speed:,.0f}/s")
    except NotImplementedError as error:
        return [Finding("sessions", "warn", str(error), "they could not be counted")]
    except SessionStorageError as error:
        return [Finding("sessions", "fail", str(error), "try again")]
    return [*census.findings(), *lists.findings()]


def _write(finding: Finding, output: Output) -> None:
    head = f"{output.coloured(finding.level)}  {finding.check:15}  "
    indent = " " * _INDENT
    room = min(output.columns(), 100)
    if room < _NARROW:
        output.line(head.rstrip())
        head = indent = "  "
    texts = [finding.message]
    if finding.remedy and finding.level != "ok":
        texts.append(f"-> {finding.remedy}")
    for text in texts:
        for line in _wrapped(printable_lines(text), room - len(indent), output):
            output.line(f"{head}{line}")
            head = indent


def _wrapped(text: str, room: int, output: Output) -> list[str]:
    if not output.is_terminal:
        return [text]
    further = "   " if text.startswith("-> ") else ""
    # What is too long for a line stays whole: ids are there to be copied.
    return textwrap.wrap(
        text, max(room, 20), subsequent_indent=further,
        break_on_hyphens=False, break_long_words=False,
    )  # fmt: skip
