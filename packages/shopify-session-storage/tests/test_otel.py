"""Metrics, as OpenTelemetry's own reader sees them."""

from datetime import timedelta

import pytest
from opentelemetry.metrics import NoOpMeter, NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from shopify_app import ShopifyApp
from shopify_session_storage.access_tokens import AccessTokenStore
from shopify_session_storage.events import StorageCall, emit
from shopify_session_storage.otel import instrument
from shopify_session_storage.testing import FakeShopify

from .scripted import DriverError, ScriptedStorage


def points(reader):
    """Return what has been measured: by name, the attributes with the count of each."""
    found = {}
    for resource in reader.get_metrics_data().resource_metrics:
        for scope in resource.scope_metrics:
            assert scope.scope.name == "shopify_session_storage"
            for metric in scope.metrics:
                found[metric.name] = [
                    (dict(point.attributes), getattr(point, "count", None) or point.value)
                    for point in metric.data.data_points
                ]
    return found


@pytest.mark.asyncio
async def test_calls_and_tokens_become_metrics_without_shops_and_tokens():
    reader = InMemoryMetricReader()
    end = instrument(MeterProvider([reader]))
    storage = ScriptedStorage(on_error="log")
    async with storage:
        for _ in range(3):
            await storage.load_session("a")
        storage.errors["load"] = [DriverError()]
        await storage.load_session("a")
        with FakeShopify() as fake:
            app = ShopifyApp(fake.client_id, fake.client_secret)
            async with (
                fake.client() as client,
                AccessTokenStore(
                    storage, app, http_client=client, refresh_before=timedelta(minutes=5)
                ) as tokens,
            ):
                await tokens.get_or_exchange(fake.verified("alpha"))
    end()
    await storage.load_session("a")
    measured = points(reader)
    base = {"db.system.name": "scripted", "db.operation.name": "load"}
    durations = measured["db.client.operation.duration"]
    assert ({**base, "shopify.outcome": "failed", "error.type": "DriverError"}, 1) in durations
    misses = [count for attributes, count in durations
              if attributes == {**base, "shopify.outcome": "miss"}]  # fmt: skip
    assert misses[0] >= 3
    assert base in [attributes for attributes, _ in measured["shopify.session_storage.group.size"]]
    events = {attributes["shopify.event"]: count
              for attributes, count in measured["shopify.access_token.events"]}  # fmt: skip
    assert events == {"exchange.start": 1, "exchange.ok": 1}
    assert "shpat_" not in repr(measured)
    assert "alpha" not in repr(measured)


def test_what_takes_milliseconds_is_told_apart():
    """The SDK's own bounds would put all that takes less than five seconds into one bucket."""
    reader = InMemoryMetricReader()
    end = instrument(MeterProvider([reader]))
    for seconds, size in ((0.0004, 1), (0.003, 2), (0.02, 3), (0.7, 100)):
        emit(StorageCall("redis", "load", "ok", seconds, size, None))
    end()
    [resource] = reader.get_metrics_data().resource_metrics
    for metric in resource.scope_metrics[0].metrics:
        [point] = metric.data.data_points
        assert sorted(point.bucket_counts)[-4:] == [1, 1, 1, 1], metric.name


def test_an_older_api_takes_no_advice():
    made = []

    class OlderMeter(NoOpMeter):
        def create_histogram(self, name, unit="", description=""):
            made.append(name)
            return super().create_histogram(name, unit, description)

    class OlderProvider(NoOpMeterProvider):
        def get_meter(self, name, *_, **__):
            return OlderMeter(name)

    instrument(OlderProvider())()
    assert made == ["db.client.operation.duration", "shopify.session_storage.group.size"]
