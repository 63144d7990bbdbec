"""OpenTelemetry metrics of storages and access tokens; needs the extra ``[otel]``."""

from collections.abc import Callable, Sequence
from typing import Final

from opentelemetry.metrics import Histogram, Meter, MeterProvider, get_meter_provider

from shopify_session_storage.events import Event, StorageCall, subscribe

# The names that OpenTelemetry's semantic conventions have for the backends (1.33, db.system.name).
_SYSTEMS: Final = {
    "dynamodb": "aws.dynamodb",
    "mongodb": "mongodb",
    "mysql": "mysql",
    "postgresql": "postgresql",
    "redis": "redis",
    "sqlite": "sqlite",
}

# The bounds that the conventions have for durations. Those of the SDK are meant for milliseconds:
# whatever takes less than five seconds would be in one bucket.
_SECONDS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
_CALLS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def instrument(meter_provider: MeterProvider | None = None) -> Callable[[], None]:
    """Record metrics of every storage and access token in this process.

    - ``db.client.operation.duration``, a histogram in seconds, with ``db.system.name``,
      ``db.operation.name``, ``error.type`` if it failed, and ``shopify.outcome``.
    - ``shopify.session_storage.group.size``, a histogram of how many calls travelled together, with
      ``db.system.name`` and ``db.operation.name``.
    - ``shopify.access_token.events``, a counter with ``shopify.event`` (see :class:`TokenEvent`)
      and ``shopify.access_mode``. No metric names a shop, since there would be too many series.

    Args:
        meter_provider: Where the metrics go; None for OpenTelemetry's global one.

    Returns:
        A function that stops the recording.
    """
    meter = (meter_provider or get_meter_provider()).get_meter("shopify_session_storage")
    durations = _histogram(
        meter, _SECONDS,
        "db.client.operation.duration", "s", "Duration of database client operations.",
    )  # fmt: skip
    sizes = _histogram(
        meter, _CALLS,
        "shopify.session_storage.group.size", "{call}", "How many calls travelled together.",
    )  # fmt: skip
    tokens = meter.create_counter(
        "shopify.access_token.events", "{event}", "What happened to access tokens."
    )

    def record(event: Event) -> None:
        if isinstance(event, StorageCall):
            attributes = {
                "db.system.name": _SYSTEMS.get(event.backend, event.backend),
                "db.operation.name": event.operation,
            }
            if event.group_size:
                sizes.record(event.group_size, attributes)
            attributes["shopify.outcome"] = event.outcome
            if event.error is not None:
                attributes["error.type"] = event.error
            durations.record(event.seconds, attributes)
        else:
            attributes = {"shopify.event": event.name, "shopify.access_mode": event.mode}
            tokens.add(1, attributes)

    return subscribe(record)


def _histogram(meter: Meter, bounds: Sequence[float], *words: str) -> Histogram:
    try:
        return meter.create_histogram(*words, explicit_bucket_boundaries_advisory=bounds)
    except TypeError:  # an older version of the API, which knows no advice
        return meter.create_histogram(*words)
