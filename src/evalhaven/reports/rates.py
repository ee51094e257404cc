"""Rates in the form in which they are shown; apart from other figures, so that they can be shown without numpy."""

from evalhaven.stats.rates import Rate
from evalhaven.wire.reports import ReportRate


def shown_rate(rate: Rate) -> ReportRate:
    """Return a rate as it is shown."""
    low, high = (None, None) if rate.interval is None or rate.value is None else rate.interval
    return ReportRate(
        value=rate.value, low=low, high=high, items=rate.items, method=rate.method.value, thin=rate.is_thin
    )
