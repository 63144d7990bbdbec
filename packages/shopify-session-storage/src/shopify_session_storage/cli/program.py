"""Runs a command, and sees that it ends with a clear line and a code."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Coroutine, Sequence
from typing import Any

from shopify_session_storage.cli.arguments import COMMANDS, parser
from shopify_session_storage.cli.exits import Exit, Stop
from shopify_session_storage.cli.printing import Output, unwritable
from shopify_session_storage.cli.titles import hide_urls
from shopify_session_storage.errors import MigrationError, SessionStorageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``shopify-sessions`` with *arguments*, by default those of the process.

    Returns:
        The exit code.
    """
    if arguments is None:
        arguments = sys.argv[1:]
        hide_urls(arguments)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed: nobody wants to see it
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # tests replace them
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        code = Exit.BROKEN_PIPE
    except OSError as error:
        stop = unwritable(error)
        Output().say(str(stop))
        code = stop.code
    else:
        return code
    # Python would flush it once more as it ends.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _run(arguments: Sequence[str]) -> int:
    parsed = parser().parse_args(arguments)
    output = Output(as_json=parsed.json)
    handler = _Handler(output)
    logger = logging.getLogger("shopify_session_storage")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if parsed.verbose else logging.WARNING)
    try:
        with warnings.catch_warnings():
            if not parsed.verbose:  # those of drivers say nothing to an operator
                warnings.simplefilter("ignore")
            return asyncio.run(_until_terminated(COMMANDS[parsed.command].run(parsed, output)))
    except Stop as stop:
        output.say(str(stop))
        return stop.code
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        terminated = isinstance(error, asyncio.CancelledError)
        output.say("terminated" if terminated else "interrupted")
        return Exit.TERMINATED if terminated else Exit.INTERRUPTED
    except MigrationError as error:
        output.say(str(error))
        return Exit.REFUSED
    except SessionStorageError as error:
        output.say(str(error))
        return Exit.UNREACHABLE
    except NotImplementedError as error:
        output.say(str(error))
        return Exit.USAGE
    except BrokenPipeError:
        raise
    except Exception as error:  # whatever it is, its message might show a token
        output.say(f"this is a bug, please report it: {type(error).__name__}, raised at")
        for frame in traceback.extract_tb(error.__traceback__):
            output.say(f"  {frame.filename}:{frame.lineno} in {frame.name}")
        return Exit.BUG
    finally:
        output.progress.clear()
        logger.removeHandler(handler)
        logger.setLevel(level)


async def _until_terminated(work: Coroutine[Any, Any, Exit]) -> Exit:
    task = asyncio.current_task()
    assert task is not None
    # Windows has no such signals, nor has a thread.
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work


class _Handler(logging.Handler):
    """Writes what storages log. None of them logs a token."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        self._output.say(f"{record.levelname.lower()}: {record.getMessage()}")
