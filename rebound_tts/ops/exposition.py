"""`/metrics` as text: the tallies of all processes and what the tables say, in Prometheus' own format.

Every web process gives the figures of the whole installation, so that one of them is scraped, whichever answers.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from rebound_tts.ops.catalog import READ, TALLIED, Figure
from rebound_tts.ops.gauges import readings
from rebound_tts.ops.models import Tally
from rebound_tts.ops.tallies import tallies

Sums = dict[tuple[str, ...], float]


class Installation(Collector):
    def __init__(self, *, now: datetime) -> None:
        self._now = now

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        yield from self._tallied()
        yield from self._read()

    def _tallied(self) -> Iterator[Metric]:
        stored: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
        for tally in Tally.objects.order_by("name", "labels"):
            stored[tally.name].append((json.loads(tally.labels), tally.value))
        for figure in TALLIED.values():
            if figure.buckets:
                yield _histogram(figure, counts=stored[f"{figure.name}_bucket"], sums=stored[f"{figure.name}_sum"])
                continue
            family = CounterMetricFamily(figure.full_name, figure.says, labels=figure.labels)
            for labels, value in stored[figure.name]:
                family.add_metric([labels.get(label, "") for label in figure.labels], value)
            if not figure.labels and not stored[figure.name]:
                family.add_metric([], 0)
            yield family

    def _read(self) -> Iterator[Metric]:
        found: dict[str, list[tuple[tuple[str, ...], float]]] = defaultdict(list)
        for name, labels, value in readings(now=self._now):
            found[name].append((labels, value))
        for figure in READ.values():
            family = GaugeMetricFamily(figure.full_name, figure.says, labels=figure.labels)
            for labels, value in found[figure.name]:
                family.add_metric(labels, value)
            yield family


def _histogram(
    figure: Figure, *, counts: list[tuple[dict[str, str], float]], sums: list[tuple[dict[str, str], float]]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(figure.full_name, figure.says, labels=figure.labels)
    edges = [*(str(edge) for edge in figure.buckets), "+Inf"]
    by_labels: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for labels, value in counts:
        by_labels[tuple(labels.get(label, "") for label in figure.labels)][labels["le"]] = value
    total: Sums = {tuple(labels.get(label, "") for label in figure.labels): value for labels, value in sums}
    if not figure.labels:
        by_labels.setdefault((), {})
    for key, found in by_labels.items():
        upto = accumulate(found.get(edge, 0.0) for edge in edges)
        family.add_metric(key, list(zip(edges, upto, strict=True)), total.get(key, 0.0))
    return family


def exposition(*, now: datetime) -> bytes:
    tallies.store()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Installation(now=now))
    return generate_latest(registry)
