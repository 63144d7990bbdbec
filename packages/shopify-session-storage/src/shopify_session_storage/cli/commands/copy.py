"""``copy``: all sessions of a storage into another one."""

import argparse
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from shopify_session_storage.cli.copying.rules import OnConflict
from shopify_session_storage.cli.copying.state import State, StateFile
from shopify_session_storage.cli.copying.walk import Copy
from shopify_session_storage.cli.exits import Exit, Stop
from shopify_session_storage.cli.masking import printable
from shopify_session_storage.cli.opening import NothingThere, opened, opened_to_read
from shopify_session_storage.cli.printing import Output, listed
from shopify_session_storage.cli.urls import Place, place
from shopify_session_storage.custom import CustomSessionStorage
from shopify_session_storage.storage import SessionStorage

HELP: Final = "copy all sessions into another storage, of any kind"
DESCRIPTION: Final = """\
Copies all sessions from one storage into another, then reads the source again
and verifies that the target has every session. Tokens are copied as they are
stored. If the command is interrupted or killed, run it again, and it goes on
where it stopped: a file, which holds no token, says how far it got. The file
is removed when all is verified.

Apps may use both storages meanwhile. The verification also copies what an app
has changed in the source since. When all apps use the target, run the command
once more, to copy the last changes.
"""

_EMPTY: Final = CustomSessionStorage(
    store=lambda _session: False, load=lambda _id: None, delete=lambda _id: False
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words of this command."""
    parser.add_argument("source", metavar="FROM", help="the storage to read, or env:NAME")
    parser.add_argument("target", metavar="TO", help="the storage to write, or env:NAME")
    for side in ("from", "to"):
        parser.add_argument(
            f"--{side}-table",
            metavar="NAME",
            help="its table, collection or key prefix (shopify_sessions)",
        )
    parser.add_argument(
        "--on-conflict",
        type=OnConflict,
        choices=list(OnConflict),
        default=OnConflict.NEWER,
        help="which version stays if both have a session: the one refreshed last (newer, the "
        "default), the target's (keep), or the source's (overwrite)",
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="an app writes to the target meanwhile: compare before every write, which is slower. "
        "This is always done if the target had sessions at the start",
    )
    parser.add_argument(
        "--verify",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="read the source again and verify the target (the default)",
    )
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="the file that says how far the copy got"
    )
    parser.add_argument("--dry-run", action="store_true", help="only count; write nothing")


async def run(arguments: argparse.Namespace, output: Output) -> Exit:
    """Copy, and verify."""
    source = place(arguments.source, None, arguments.from_table)
    target = place(arguments.target, None, arguments.to_table)
    if source.fingerprint() == target.fingerprint():
        raise Stop("FROM and TO are the same storage", Exit.USAGE)
    target.open()  # shows at once whether it can be used
    if arguments.dry_run:
        state = State(source.fingerprint(), target.fingerprint())
        async with opened_to_read(source) as old, _opened_or_empty(target) as new:
            copy = Copy(old, new, state, None, arguments.on_conflict, output)
            await copy.run(verify=False, dry_run=True)
        return _tell(state, output, is_dry=True, is_verified=False)

    file = StateFile(arguments.resume) if arguments.resume else StateFile.usual(source, target)
    found = file.read(source, target)
    state = found or State(source.fingerprint(), target.fingerprint())
    if found is not None:
        output.say(
            f"going on after {(state.checking if state.is_checking else state.copying).seen:,} "
            f"sessions, according to {file.path}"
        )
    async with opened_to_read(source) as old, opened(target) as new:
        copy = Copy(old, new, state, file, arguments.on_conflict, output)
        try:
            await copy.begin(live=arguments.live, is_new=found is None)
            await _run(copy, state, file, output, verify=arguments.verify)
        finally:
            await copy.end()
    file.remove()
    return _tell(state, output, is_dry=False, is_verified=arguments.verify)


async def _run(copy: Copy, state: State, file: StateFile, output: Output, *, verify: bool) -> None:
    try:
        await copy.run(verify=verify)
    except BaseException:
        output.say(
            f"{state.copying.seen:,} sessions are done; run the same command to go on from "
            f"there, with {file.path}"
        )
        raise


@asynccontextmanager
async def _opened_or_empty(place: Place) -> AsyncIterator[SessionStorage]:
    """Open a target only to look at it, or something empty if it is not there yet."""
    stack = AsyncExitStack()
    try:
        storage = await stack.enter_async_context(opened_to_read(place))
    except NothingThere:
        storage = _EMPTY
    async with stack:
        yield storage


def _tell(state: State, output: Output, *, is_dry: bool, is_verified: bool) -> Exit:
    """Say what it came to."""
    copying, checking = state.copying, state.checking
    last = checking if is_verified else copying
    caught_up = checking.copied + checking.replaced
    verified = checking.seen - checking.corrupt_number - checking.failed_number
    result: dict[str, Any] = {
        "copied": copying.copied,
        "replaced": copying.replaced,
        "kept": copying.kept,
        "same": copying.same,
        "corrupt": last.corrupt_number,
        "failed": last.failed_number,
        "verified": verified if is_verified else None,
        "caught_up": caught_up,
        "dry_run": is_dry,
    }
    if output.as_json:
        output.json(result | {"corrupt_ids": last.corrupt_ids, "failed_ids": last.failed_ids})
    else:
        lines = [
            ("to copy" if is_dry else "copied", copying.copied, ""),
            ("to replace" if is_dry else "replaced", copying.replaced, "older in the target"),
            ("kept", copying.kept, "the target has another version, which stays"),
            ("same", copying.same, "already in the target"),
            ("caught up", caught_up, "stored or changed meanwhile"),
            ("unreadable", last.corrupt_number, listed(last.corrupt_ids)),
            ("failed", last.failed_number, listed(list(last.failed_ids))),
        ]
        for name, number, note in lines:
            if number or name in ("copied", "to copy"):
                output.line(printable(f"{name:10}  {number:>11,}  {note}".rstrip()))
        if is_verified:
            output.line(f"{'verified':10}  {verified:>11,}")
    for id, reason in last.failed_ids.items():
        output.say(f"{id}: {reason}")
    if last.corrupt_number or last.failed_number:
        output.say("not all could be copied; run the same command to try again")
        return Exit.PARTIAL
    return Exit.DONE
