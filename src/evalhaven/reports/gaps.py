"""What a report cannot tell, and why: found in its figures, so that none is missing without a reason."""

from collections.abc import Iterator

from evalhaven.domain.runs import Run
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.wording import counted, listed
from evalhaven.reports.columns.making import MOST_LABELS
from evalhaven.stats.rates import FEWEST_CLUSTERS
from evalhaven.wire.reports import ReportAgreement, ReportBreakdown, ReportGap, ReportRate, ReportRepeat, RunReport

_TOO_FEW = f"Fewer than {FEWEST_CLUSTERS} independent items tell too little of others"


def gaps_of(run: Run, report: RunReport, *, is_repeated: bool) -> list[ReportGap]:
    """Return what a report cannot tell.

    Args:
        run: The run.
        report: All that it tells.
        is_repeated: Whether some items have several samples, which are what its counts are about.
    """
    unit = "sample" if is_repeated else "item"
    found = [*_missing_rows(run, report, unit), *_rate(run, report, unit), *_criteria(report, unit)]
    for each in report.criteria:
        if each.agreement is not None:
            found += _agreement(each.name, each.agreement, report.items, unit)
    for each in [] if report.repeats is None else report.repeats.by_k:
        found += _repeats(each)
    for each in report.breakdowns:
        found += _breakdown(each, unit)
    return [*found, *_cost(run), *_tokens(report)]


def _missing_rows(run: Run, report: RunReport, unit: str) -> Iterator[ReportGap]:
    if not run.status.is_final or run.imported is not None or not run.items_missing:
        return
    ended = f"The run {'failed' if run.status is RunStatus.FAILED else 'was canceled'}"
    cure = "A retry of the run executes the rest."
    if run.items_planned is None:
        yield _gap("items", f"{ended} before it was known how many {unit}s it would have. {cure}")
        return
    missing = counted(run.items_planned - report.items, f"{unit} is", f"{unit}s are")
    unlike = "those that ended first may be unlike the rest"
    yield _gap("items", f"{ended}: {missing} missing of {run.items_planned:,}, and {unlike}. {cure}")


def _rate(run: Run, report: RunReport, unit: str) -> Iterator[ReportGap]:
    if report.errored:
        one = report.errored == 1
        why = f"{counted(report.errored, unit)} erred: whether {'it passes' if one else 'they pass'} is not known."
        cure = "" if run.imported is not None else f" A retry of the run executes {'it' if one else 'them'} again."
        yield _gap("rate", f"{why}{cure}")
    if report.rate.value is None and (report.items or run.status.is_final):
        yield _gap("rate", f"No {unit} has a result.")
    elif _lacks_interval(report.rate):
        yield _gap("rate", f"{_TOO_FEW}: the rate has no interval.")


def _criteria(report: RunReport, unit: str) -> Iterator[ReportGap]:
    if report.items and (without := [each.name for each in report.criteria if each.rate.value is None]):
        yield _gap("criteria.rate", f"No {unit} has a result of {listed(without)}.")
    if few := [each.name for each in report.criteria if _lacks_interval(each.rate)]:
        yield _gap(
            "criteria.rate",
            f"{_TOO_FEW}: the {'rate' if len(few) == 1 else 'rates'} of {listed(few)} "
            f"{'has no interval' if len(few) == 1 else 'have no intervals'}.",
        )
    for each in report.criteria:
        unlisted = each.passed + each.failed - sum(label.items for label in each.labels)
        if each.labels and unlisted:
            told = counted(unlisted, "result has", "results have")
            beyond = f"one beyond the first {MOST_LABELS:,} different ones" if len(each.labels) >= MOST_LABELS else ""
            yield _gap("criteria.labels", f"{told} no label of {each.name!r}{f', or {beyond}' if beyond else ''}.")
    wild: list[str] = []
    scarce: list[str] = []
    for each in report.criteria:
        # Where every score is 0 or 1, the mean is the rate, of which all is said already.
        if each.scores is not None and each.scores.mean_interval is None and each.scores.mean != each.rate.value:
            is_wild = each.scores.low < 0 or each.scores.high > 1
            (wild if is_wild else scarce).append(each.name)
    what = "criteria.scores.mean_interval"
    if wild:
        yield _gap(what, f"Not all scores of {listed(wild)} are between 0 and 1, so their mean has no interval.")
    if scarce:
        yield _gap(what, f"{_TOO_FEW}: the mean score of {listed(scarce)} has no interval.")


def _agreement(name: str, agreement: ReportAgreement, items: int, unit: str) -> Iterator[ReportGap]:
    what, field = "criteria.agreement", agreement.field
    if lacking := items - agreement.items:
        has = counted(lacking, f"{unit} has", f"{unit}s have")
        yield _gap(what, f"{has} no label of {name!r} or nothing in {field!r} to compare it with.")
    if never := [each.label for each in agreement.labels if each.precision.value is None]:
        yield _gap(what, f"{name!r} never gave {listed(never)}, so there is no precision.")
    if absent := [each.label for each in agreement.labels if each.recall.value is None]:
        yield _gap(what, f"{field!r} is never {listed(absent)}, so there is no recall.")
    rates = [agreement.accuracy, *(rate for each in agreement.labels for rate in (each.precision, each.recall))]
    if any(map(_lacks_interval, rates)):
        yield _gap(what, f"{_TOO_FEW}: some rates of {name!r} against {field!r} have no interval.")


def _repeats(repeat: ReportRepeat) -> Iterator[ReportGap]:
    what = "repeats.by_k"
    both = f"pass@{repeat.k} and pass^{repeat.k}"
    if repeat.left_out:
        lacking = counted(repeat.left_out, "item has", "items have")
        samples = counted(repeat.k, "sample")
        left = "it is" if repeat.left_out == 1 else "they are"
        yield _gap(what, f"{lacking} fewer than {samples} with a result: {left} left out of {both}.")
    if not repeat.items:
        yield _gap(what, f"No item is left, so {both} are not known.")
    elif _lacks_interval(repeat.at_least_one):
        yield _gap(what, f"{_TOO_FEW}: {both} have no interval.")


def _breakdown(breakdown: ReportBreakdown, unit: str) -> Iterator[ReportGap]:
    what, of_all = "breakdowns", f"of {len(breakdown.groups):,} by {breakdown.field!r}"
    if without := sum(each.rate.value is None for each in breakdown.groups):
        yield _gap(what, f"{counted(without, 'group')} {of_all} {_have(without)} no {unit} with a result.")
    if few := sum(_lacks_interval(each.rate) for each in breakdown.groups):
        yield _gap(what, f"{_TOO_FEW}: {counted(few, 'group')} {of_all} {_have(few)} no interval.")


def _cost(run: Run) -> Iterator[ReportGap]:
    unpriced = [usage for usage in run.tally.spending.usage if usage.unpriced_calls]
    if unpriced:
        models = listed(list(dict.fromkeys(usage.model for usage in unpriced)))
        count = sum(usage.unpriced_calls for usage in unpriced)
        calls = counted(count, f"call of {models} has", f"calls of {models} have")
        cure = "A price in the endpoint's configuration holds for later calls."
        yield _gap("cost", f"{calls} no price, or no count of tokens: what the run cost is not known. {cure}")


def _tokens(report: RunReport) -> Iterator[ReportGap]:
    answered = 0 if report.latency_ms is None else report.latency_ms.items
    uncounted = answered - (0 if report.tokens is None else report.tokens.items)
    if uncounted > 0:
        they = "it" if uncounted == 1 else "they"
        yield _gap("tokens", f"{counted(uncounted, 'answer does', 'answers do')} not say how many tokens {they} took.")


def _gap(what: str, why: str) -> ReportGap:
    return ReportGap(what=what, why=why)


def _lacks_interval(rate: ReportRate) -> bool:
    return rate.value is not None and rate.low is None


def _have(count: int) -> str:
    return "has" if count == 1 else "have"
