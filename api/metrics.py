"""What the query service counts of itself for Prometheus: how it is asked, never who asks nor for whose data."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"})
_OTHER: Final = "other"
"""Stands for every method and path that the service does not know: whoever asks makes no label."""

_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)
"""Seconds: most answers end within the first ones, long downloads and live answers in the last."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AtWork:
    """What goes on in a process: how many follow data, exports being made, and those worked on since its start."""

    readers: int = 0
    exports_running: int = 0
    exports_ended: int = 0


class Metrics:
    """The numbers of one process, since its start. Labels are templates of routes, methods and statuses alone."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route")
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._requests = Counter(
            "fieldlab_requests", "Requests that were answered.", (*labels, "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "fieldlab_request_seconds",
            "From a request to the end of its answer.",
            labels,
            buckets=_BOUNDS,
            registry=self._registry,
        )
        self._work = _Work()
        self._registry.register(self._work)

    def watch(self, seen: Callable[[], AtWork]) -> None:
        """Tell from now on what goes on as well."""
        self._work.seen = seen

    def count(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request by the template of its route (None where there is none); status 0 is no answer at all."""
        key = (method if method in _METHODS else _OTHER, route or _OTHER, status)
        known = self._known.get(key)
        if known is None:
            known = self._requests.labels(*key), self._seconds.labels(*key[:2])
            self._known[key] = known
        requests, took = known
        requests.inc()
        took.observe(seconds)

    def written(self) -> bytes:
        """Write all for Prometheus."""
        return generate_latest(self._registry)


class _Work(Collector):
    def __init__(self) -> None:
        self.seen: Callable[[], AtWork] = AtWork

    def collect(self) -> Iterator[Metric]:
        seen = self.seen()
        yield GaugeMetricFamily("fieldlab_live_readers", "Who follows data at the moment.", value=seen.readers)
        yield GaugeMetricFamily(
            "fieldlab_export_jobs_running", "Exports that are being made at the moment.", value=seen.exports_running
        )
        yield CounterMetricFamily("fieldlab_export_jobs", "Exports that were worked on.", value=seen.exports_ended)
