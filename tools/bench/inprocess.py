"""What costs time without any server: imports and conversions."""

import subprocess
import sys
import timeit
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle
from statistics import median
from typing import Any

from environment import packages
from shopify_session_storage import OnlineAccessInfo, Session, dump_session_json, read_session_json

from bench.workload import session_of


@dataclass(kw_only=True)
class Plain:
    """A dataclass with the fields of a Session, and nothing else."""

    id: str
    shop: str
    state: str
    is_online: bool
    scope: str | None = None
    expires: datetime | None = None
    access_token: str | None = None
    refresh_token: str | None = None
    refresh_token_expires: datetime | None = None
    online_access_info: OnlineAccessInfo | None = None


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Return import times in milliseconds, and conversions in microseconds, as medians."""
    return {"import_ms": _imports(rounds), "convert_us": _conversions(rounds)}


def _imports(rounds: int) -> dict[str, float]:
    modules = {"asyncio": "asyncio"}
    for package in packages():
        modules[package.name] = package.name.replace("-", "_")
    return {name: _import(module, rounds) for name, module in modules.items()}


def _import(module: str, rounds: int) -> float:
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    runs = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(rounds)
    ]
    return median(runs) * 1e3


def _conversions(rounds: int) -> dict[str, float]:
    from shopify_session_storage_postgresql import PostgreSQLSessionStorage

    storage = PostgreSQLSessionStorage("postgresql://nowhere/nothing")
    session = session_of(1)
    fields: dict[str, Any] = dict(vars(session))
    row = storage._to_row(session)
    pairs = session.to_property_array(return_user_data=True)
    data = session.to_dict()
    text = dump_session_json(session)
    # More than are remembered, one after the other.
    new_texts = cycle([dump_session_json(session_of(number)) for number in range(5000)])
    calls = {
        "a plain dataclass with the same fields": lambda: Plain(**fields),
        "Session": lambda: Session(**fields),
        "Session to SQL row": lambda: storage._to_row(session),
        "SQL row to Session": lambda: storage._to_session(row),
        "Session to property array": lambda: session.to_property_array(return_user_data=True),
        "property array to Session": lambda: Session.from_property_array(
            pairs, return_user_data=True
        ),
        "Session to dict": session.to_dict,
        "dict to Session": lambda: Session.from_dict(data),
        "Session to JSON text": lambda: dump_session_json(session),
        "JSON text to Session, read before": lambda: read_session_json(text),
        "JSON text to Session, new": lambda: read_session_json(next(new_texts)),
    }
    count = 5000
    return {
        what: median(timeit.repeat(call, number=count, repeat=rounds)) / count * 1e6
        for what, call in calls.items()
    }
