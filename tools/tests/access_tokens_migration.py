"""A process that migrates all shops to expiring tokens, for test_access_tokens_migration.py."""

import asyncio
import json
import pickle
import sys
import time
from pathlib import Path

from access_tokens_worker import opened


async def main(settings):
    async with opened(settings) as tokens:
        started = time.monotonic()
        report = await tokens.migrate_to_expiring(
            settings["shops"], per_second=settings["per_second"]
        )
        seconds = time.monotonic() - started
    Path(settings["report"]).write_bytes(pickle.dumps((report, seconds)))


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
