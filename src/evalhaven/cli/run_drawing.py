"""How the figures of a run are drawn: as a block for terminals, and as one line."""

from collections.abc import Iterator

from rich.text import Text

from evalhaven.cli.figure_texts import (
    cut_text,
    format_counts,
    format_duration,
    format_milliseconds,
    format_rate,
    format_seconds,
    format_share,
    format_times,
    make_printable,
)
from evalhaven.cli.run_document import Budget, LimitChange
from evalhaven.cli.run_figures import Figures
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.wording import counted

_STYLES = {
    RunStatus.COMPLETED: "bold green",
    RunStatus.FAILED: "bold red",
    RunStatus.CANCELED: "bold yellow",
}
_STYLE_WITH_ERRORS = "bold yellow"
_LABEL_CHARS = 10
_MOST_BAR_CHARS = 60
_SHOWN_ERRORS = 8
_SHOWN_IDLE_S = 10
_REASONS = {"refused": "refused with 429", "growth": "grew", "ramp": "grew", "restored": "restored"}


def draw_block(figures: Figures, width: int) -> list[Text]:
    """Return the lines for a terminal.

    Args:
        figures: What to show.
        width: Characters of a line.
    """
    run = figures.run
    lines = [_title(figures), *_progress(figures, width), _pace(figures)]
    lines += [_labeled(label, text) for label, text in _calls(figures) if text]
    lines += [_labeled("endpoint", text, "bold red", is_cut=False) for text in _unreachable(figures)]
    errors = format_counts(run.evalhaven.errors, _SHOWN_ERRORS)
    if errors:
        lines.append(_labeled("errors", errors, "yellow"))
    if run.error is not None:
        lines.append(_labeled("error", f"{run.error.code}: {run.error.message}", "red", is_cut=False))
    if run.report_url:
        # Without a label, so that it can be copied even from a narrow terminal.
        lines.append(Text(make_printable(run.report_url), overflow="fold"))
    return lines


def draw_line(figures: Figures) -> str:
    """Return the same as one line, for output that cannot be redrawn."""
    run = figures.run
    counts = run.result_counts
    parts = [
        f"{_status(figures)} {_done(figures)}",
        f"passed {counts.passed:,}, failed {counts.failed:,}, errored {counts.errored:,}",
        *_pace_parts(figures),
        "" if figures.usage is None else f"{figures.usage.total_tokens:,} tokens",
        "" if figures.cost is None else _money(figures),
        _latency(figures),
        _retries(figures),
        _limiter_line(figures),
        _pause(figures),
        *_unreachable(figures),
        f"errors: {errors}" if (errors := format_counts(run.evalhaven.errors, _SHOWN_ERRORS)) else "",
        f"{run.error.code}: {run.error.message}" if run.error is not None else "",
    ]
    return " | ".join(make_printable(part) for part in parts if part)


def _title(figures: Figures) -> Text:
    run = figures.run
    is_clean = run.status is not RunStatus.COMPLETED or not run.result_counts.errored
    style = _STYLES.get(run.status, "bold cyan") if is_clean else _STYLE_WITH_ERRORS
    text = Text.assemble((make_printable(_status(figures)), style), "  ")
    text.append(cut_text(run.name), "bold")
    if run.model and run.model != run.name:
        text.append(f"  {cut_text(run.model)}")
    return text.append(f"  {make_printable(run.id)}", "dim")


def _status(figures: Figures) -> str:
    """Return a run's status; a run that ended with errors never looks like a clean one."""
    run = figures.run
    is_clean = run.status is not RunStatus.COMPLETED or not run.result_counts.errored
    return run.status.value if is_clean else f"{run.status} with errors"


def _progress(figures: Figures, width: int) -> Iterator[Text]:
    counts = figures.run.result_counts
    done = _done(figures)
    chars = min(width - len(done) - _LABEL_CHARS, _MOST_BAR_CHARS)
    if figures.planned and chars >= _LABEL_CHARS:
        yield Text.assemble("[", *_segments(figures, chars), "] ", done)
    else:
        yield Text(done)
    errored_style = "yellow" if counts.errored else ""
    yield Text("   ").join(
        [
            Text(f"passed {counts.passed:,}", "green"),
            Text(f"failed {counts.failed:,}", "red"),
            Text(f"errored {counts.errored:,}", errored_style),
            *_repeats(figures),
        ]
    )


def _repeats(figures: Figures) -> Iterator[Text]:
    repeats = figures.run.evalhaven.repeats
    if repeats > 1:
        yield Text(f"{repeats:,} repeats of each item", "dim")


def _segments(figures: Figures, chars: int) -> Iterator[tuple[str, str]]:
    """Yield the parts of the bar; rounding one of them does not shift the ends of the others."""
    counts = figures.run.result_counts
    planned = max(figures.planned or 0, figures.done)
    drawn = items = 0
    for count, mark, style in (
        (counts.passed, "=", "green"),
        (counts.failed, "x", "red"),
        (counts.errored, "!", "yellow"),
    ):
        items += count
        end = items * chars // planned
        yield mark * (end - drawn), style
        drawn = end
    yield "." * (chars - drawn), "dim"


def _pace(figures: Figures) -> Text:
    return Text("   ".join(_pace_parts(figures)) or "not started yet")


def _pace_parts(figures: Figures) -> list[str]:
    recent, overall, idle_s = figures.recent_per_s, figures.overall_per_s, figures.idle_s
    rates = [] if recent is None else [format_rate(recent)]
    if overall is not None:
        rates.append(f"({format_rate(overall)} overall)" if rates else f"{format_rate(overall)} overall")
    parts = [" ".join(rates)] if rates else []
    if figures.elapsed_s is not None:
        is_final = figures.run.status.is_final
        parts.append(
            f"took {format_duration(figures.elapsed_s)}" if is_final else f"for {format_duration(figures.elapsed_s)}"
        )
    if figures.left_s is not None:
        parts.append(f"{format_duration(figures.left_s)} left")
    if idle_s is not None and idle_s >= _SHOWN_IDLE_S and figures.elapsed_s is not None:
        parts.append(f"no item ended for {format_duration(idle_s)}")
    return parts


def _calls(figures: Figures) -> Iterator[tuple[str, str]]:
    """Yield label and text of the lines about calls to models; a line without text does not apply."""
    extension = figures.run.evalhaven
    yield "tokens", _tokens(figures)
    yield "cost", _money(figures)
    yield "latency", _latency(figures)
    if extension.cache_hits:
        yield "cached", f"{counted(extension.cache_hits, 'item')} answered without a call"
    yield "retries", _retries(figures).removeprefix("retries ")
    yield "limiter", _limiter(figures)
    yield "", _pause(figures)
    yield "", "; ".join(_change(change, figures.unix_s) for change in figures.changes)


def _tokens(figures: Figures) -> str:
    usage = figures.usage
    if usage is None:
        return ""
    budget = figures.run.evalhaven.budget or Budget()
    parts = [f"in {usage.prompt_tokens:,}", f"out {usage.completion_tokens:,}"]
    if usage.cached_tokens:
        parts[0] += f", of them {usage.cached_tokens:,} cached"
    if usage.reasoning_tokens:
        parts[1] += f", of them {usage.reasoning_tokens:,} reasoning"
    of_budget = (
        "" if budget.tokens is None else f" of {budget.tokens:,} ({format_share(usage.total_tokens, budget.tokens)})"
    )
    return f"{usage.total_tokens:,}{of_budget}: {'; '.join(parts)}"


def _money(figures: Figures) -> str:
    extension, cost = figures.run.evalhaven, figures.cost
    budget = extension.budget or Budget()
    if extension.cost is None:
        return ""
    if cost is None:
        return "unknown cost (a model has no price)"
    return f"${cost:,.4f}" + (
        "" if budget.cost is None else f" of ${budget.cost:,.2f} ({format_share(cost, budget.cost)})"
    )


def _latency(figures: Figures) -> str:
    latency = figures.run.evalhaven.latency
    if latency is None:
        return ""
    return f"p50 {format_milliseconds(latency.p50_ms)}, p95 {format_milliseconds(latency.p95_ms)}"


def _retries(figures: Figures) -> str:
    limiter = figures.run.evalhaven.limiter
    kinds = "" if limiter is None else format_counts(limiter.retries, _SHOWN_ERRORS)
    return f"retries {figures.retries:,}{f': {kinds}' if kinds else ''}" if figures.retries else ""


def _limiter(figures: Figures) -> str:
    extension = figures.run.evalhaven
    limiter = extension.limiter
    if limiter is None or limiter.concurrency is None:
        return ""
    parts = [f"{limiter.concurrency:,} of {limiter.max_concurrency or limiter.concurrency:,} calls at once"]
    if not figures.run.status.is_final:
        parts.append(f"{limiter.in_flight:,} in flight, {limiter.waiting:,} waiting")
    if extension.max_concurrency is not None:
        parts.append(f"this run at most {extension.max_concurrency:,}")
    if limiter.episodes:
        parts.append(f"shrunk {format_times(limiter.episodes)}")
    if limiter.paused_s:
        parts.append(f"paused {format_seconds(limiter.paused_s)} in all")
    return (f"{limiter.endpoint}: " if limiter.endpoint else "") + "; ".join(parts)


def _limiter_line(figures: Figures) -> str:
    limiter = figures.run.evalhaven.limiter
    if limiter is None or limiter.concurrency is None or figures.run.status.is_final:
        return ""
    return f"{limiter.in_flight:,} in flight of {limiter.concurrency:,}, {limiter.waiting:,} waiting"


def _pause(figures: Figures) -> str:
    left_s = figures.pause_left_s
    return "" if left_s is None else f"paused for another {format_seconds(left_s)}"


def _unreachable(figures: Figures) -> list[str]:
    """Return a sentence for each endpoint that cannot be reached."""
    return [
        f"out of reach for {format_duration(max(0.0, figures.unix_s - each.since))}, still trying: {each.reason}"
        for each in figures.unreachable
    ]


def _change(change: LimitChange, now_unix_s: float) -> str:
    ago = f"{format_duration(max(0.0, now_unix_s - change.at))} ago"
    if change.pause_s:
        return f"paused {format_seconds(change.pause_s)}, {ago}"
    reason = _REASONS.get(change.reason, change.reason)
    return f"{change.before:,} to {change.after:,}{f' ({reason})' if reason else ''}, {ago}"


def _done(figures: Figures) -> str:
    done, planned = figures.done, figures.planned
    if planned is None:
        return f"{done:,} / ?"
    return f"{done:,} / {planned:,}" + (f" ({format_share(min(done, planned), planned)})" if planned else "")


def _labeled(label: str, text: str, style: str = "", *, is_cut: bool = True) -> Text:
    shown = make_printable(text)
    overflow = "ellipsis" if is_cut else "fold"
    return Text.assemble((label.ljust(_LABEL_CHARS), "dim"), (shown, style), overflow=overflow, no_wrap=is_cut)
