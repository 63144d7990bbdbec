"""A process that runs one Python subject on request; ``worker.cjs`` does the same in Node.

Reads one JSON request a line, writes one JSON answer a line.
"""

import asyncio
import importlib
import json
import sys
from dataclasses import asdict
from typing import Any

from bench.arrivals import arrive
from bench.measuring import Call, measure
from bench.workload import id_of, inputs, number_of, session_of, shop_of

PREPARING = 256  # stores at a time
PREPARED = 1000  # sessions in one call of store_many()


def call_of(subject: Any, request: dict[str, Any]) -> Call:
    """Return what does call number so-and-so of the operation, its input made beforehand."""
    operation, first, stored = request["operation"], request["first"], request["stored"]
    count = inputs(operation, request["count"], stored)
    numbers = [number_of(operation, first, index, stored) for index in range(count)]
    given: list[Any]
    if operation.startswith("store"):
        call, given = subject.store, [session_of(number) for number in numbers]
    elif operation == "find":
        call, given = subject.find, [shop_of(number) for number in numbers]
    elif operation == "delete 10":
        call = subject.delete_many
        given = [[id_of(number + more) for more in range(10)] for number in numbers]
    else:
        call = subject.delete if operation == "delete" else subject.load
        given = [id_of(number) for number in numbers]
    return lambda index: call(given[index % count])


async def prepare(subject: Any, first: int, count: int) -> None:
    """Store sessions, as fast as the subject can."""
    if hasattr(subject, "store_many"):
        for start in range(first, first + count, PREPARED):
            numbers = range(start, min(start + PREPARED, first + count))
            await subject.store_many([session_of(number) for number in numbers])
    else:
        await measure(
            lambda index: subject.store(session_of(first + index)),
            count=count,
            concurrency=PREPARING,
            seconds=float("inf"),
        )


async def answer(subject: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Do what a request asks for."""
    if request["op"] == "prepare":
        await prepare(subject, request["first"], request["count"])
        return {}
    if request["op"] == "settle":
        await subject.settle()
        return {}
    call = call_of(subject, request)
    limits = {"count": request["count"], "seconds": request["seconds"]}
    if request["op"] == "arrive":
        return asdict(await arrive(call, rate=request["rate"], **limits))
    return asdict(await measure(call, concurrency=request["concurrency"], **limits))


async def main(module: str, backend: str, options: str) -> None:
    """Serve requests until the input ends."""
    make = getattr(importlib.import_module(module), backend.replace("-", "_"))
    async with make(**json.loads(options)) as subject:
        loop = asyncio.get_running_loop()
        print(json.dumps({}), flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            print(json.dumps(await answer(subject, json.loads(line))), flush=True)


if __name__ == "__main__":
    loop, *arguments = sys.argv[1:]
    if loop == "uvloop":
        import uvloop

        uvloop.run(main(*arguments))
    else:
        asyncio.run(main(*arguments))
