"""``reencrypt``: seal every token with the key that seals now."""

import argparse
from typing import Final

from shopify_session_storage.cli.exits import Exit, Stop
from shopify_session_storage.cli.opening import opened
from shopify_session_storage.cli.printing import Output, listed
from shopify_session_storage.cli.words import add_place, place_of

HELP: Final = "encrypt tokens that are stored in plain text or under an older key"
DESCRIPTION: Final = """\
Encrypts every token that is stored in plain text or under an older key. The
keys are in an environment variable, as id:base64, separated by commas; the
first one encrypts. Apps may go on reading and writing. If the command is
interrupted, run it again. Needs shopify-session-storage[encryption].
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words of this command."""
    add_place(parser)
    parser.add_argument(
        "--keys-env",
        default="SHOPIFY_SESSION_KEYS",
        metavar="NAME",
        help="the environment variable with the keys (%(default)s)",
    )


async def run(arguments: argparse.Namespace, output: Output) -> Exit:
    """Seal what is due."""
    from shopify_session_storage.encryption import EncryptedSessionStorage, Keyring, reencrypt

    place = place_of(arguments)
    try:
        keyring = Keyring.from_env(arguments.keys_env)
    except (ImportError, ValueError) as error:
        raise Stop(str(error), Exit.USAGE) from None
    async with opened(place) as storage:
        output.progress.show(f"looking through {place} ...")
        report = await reencrypt(EncryptedSessionStorage(storage, keyring))
    if output.as_json:
        output.json({"examined": report.examined, "sealed": report.sealed,
                     "changed": report.changed, "failed": report.failed})  # fmt: skip
    else:
        output.line(f"{report.examined:,} examined, {report.sealed:,} sealed")
        if report.changed:
            output.line(f"{report.changed:,} were changed by another program meanwhile")
    if report.failed:
        output.say(f"{len(report.failed)} cannot be read or decrypted: {listed(report.failed)}")
        return Exit.PARTIAL
    return Exit.DONE
