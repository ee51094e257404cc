"""A board in the forms that Prometheus reads: its text, or OpenMetrics where that is asked for."""

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from evalhaven.meters.board import Board, Labels, Value
from evalhaven.meters.declared import METERS, Meter


def expose(board: Board, accept: str) -> tuple[bytes, str]:
    """Return what a scraper gets, and its content type.

    Args:
        board: Whose values.
        accept: The request's header of that name.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_BoardCollector(board))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _BoardCollector(Collector):
    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterable[Metric]:
        values = self._board.values()
        for meter in METERS:
            yield _family(meter, sorted(values.get(meter.name, {}).items()))


def _family(meter: Meter, values: Iterable[tuple[Labels, Value]]) -> Metric:
    if meter.kind == "histogram":
        histogram = HistogramMetricFamily(meter.name, meter.says, labels=meter.labels)
        for labels, value in values:
            if isinstance(value, list):
                histogram.add_metric(labels, list(_buckets(meter, value)), value[-1])
        return histogram
    family = (CounterMetricFamily if meter.kind == "counter" else GaugeMetricFamily)(
        meter.name, meter.says, labels=meter.labels
    )
    for labels, value in values:
        if not isinstance(value, list):
            family.add_metric(labels, value)
    return family


def _buckets(meter: Meter, value: list[float]) -> Iterator[tuple[str, float]]:
    bounds = [*(f"{bound}" for bound in meter.bounds), "+Inf"]
    return zip(bounds, accumulate(value[:-1]), strict=True)
