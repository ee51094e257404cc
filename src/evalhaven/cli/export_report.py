"""What `evalhaven export-hosted` shows: progress while it works, and what came of it."""

import math
import shlex
import time
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from evalhaven.domain.wording import counted

if TYPE_CHECKING:
    from evalhaven.importers.archive import Finding, Manifest
    from evalhaven.importers.hosted.client import Retry
    from evalhaven.importers.hosted.forecast import Forecast
    from evalhaven.importers.hosted.orders import Order

FINDINGS_SHOWN = 20
_RETRY_LINES_GAP_S = 2.0  # Many requests may fail at once.


class ProgressBars:
    """Shows the progress of an export on a terminal; retries are also printed as lines where there is none."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", style="yellow", markup=False),
        )
        self._progress = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._bar: TaskID | None = None
        self._done = 0
        self._retries = 0
        self._last_line_s = -math.inf

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop drawing the bars: something else is printed now."""
        self._progress.stop()

    def begin(self, what: str, total: int | None) -> None:
        """Add the bar of a phase."""
        if self._bar is not None:
            self._progress.update(self._bar, note="", total=self._done)
        self._bar, self._done = self._progress.add_task(what, total=total, note=""), 0

    def advance(self, count: int) -> None:
        """Move the bar, and show how many requests had to be repeated."""
        if self._bar is not None:
            self._done += count
            note = counted(self._retries, "retry", "retries") if self._retries else ""
            self._progress.update(self._bar, advance=count, note=note)

    def show_retry(self, retry: "Retry") -> None:
        """Say what went wrong and when the next try is."""
        self._retries += 1
        what = " for fewer objects at once" if retry.is_smaller else ""
        failed = f"{retry.tries} of {counted(retry.most_tries, 'try', 'tries')} failed"
        text = f"{retry.reason}; again in {retry.delay_s:.0f} s{what} ({failed})"
        if self._bar is not None:
            self._progress.update(self._bar, note=text)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._last_line_s >= _RETRY_LINES_GAP_S:
            self._last_line_s = now
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def print_forecast(forecast: "Forecast") -> None:
    """Print what an export would copy."""
    table = Table("would come", box=None)
    table.add_column("count", justify="right")
    counts = {
        "evals": forecast.evals,
        "runs": forecast.runs,
        "output items": forecast.output_items,
        "files": len(forecast.file_ids),
        "stored completions": forecast.stored_completions,
    }
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    Console().print(table)
    for problem in forecast.problems:
        print_line(problem, style="yellow")
    if forecast.active_runs:
        print(f"{forecast.active_runs:,} of the runs have not ended; what they hold at export time would be copied.")


def print_summary(manifest: "Manifest") -> None:
    """Print what the archive holds, and what is missing from it."""
    table = Table("in the archive", box=None)
    table.add_column("count", justify="right")
    for name, count in manifest.counts.items():
        table.add_row(name.replace("_", " "), f"{count:,}")
    console = Console()
    console.print(table)
    _print_findings(console, "To look at (the next export fetches again what is missing)", manifest.notes)
    _print_findings(console, "Not fetched", manifest.failures)


def print_nothing_found(order: "Order", listed_evals: int, stored_completions: int) -> None:
    """Print that no eval was found (stored completions may have been), and the likely cause."""
    from evalhaven.importers.hosted.account import AZURE_KEY, OPENAI_KEY, OWNER_HEADERS, is_azures

    options = order.filters.options()
    if listed_evals:
        found = f"Of {listed_evals:,} evals at {order.base_url}, none matches {shlex.join(options)}."
    elif options:
        found = f"{order.base_url} shows this key no eval that matches {shlex.join(options)}."
    else:
        found = f"{order.base_url} shows this key no evals."
    if is_azures(order.base_url, order.asked.api_version):
        question = f"Is it the right resource? Its address and its key ({AZURE_KEY}) belong together."
    else:
        owner = order.asked.owner
        named = " and ".join(f"{name} is {owner.get(name, 'not set')}" for name in OWNER_HEADERS)
        question = f"Is it the right project? A key ({OPENAI_KEY}) sees the evals of one project; {named}."
    what = "No evals were found" if stored_completions else "Nothing was found"
    print_line(f"{what}. {found} {question}", style="yellow")


def print_line(text: str, style: str | None = None) -> None:
    """Print a line without interpreting it."""
    Console().print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def _print_findings(console: Console, title: str, findings: "list[Finding]") -> None:
    if not findings:
        return
    console.print(f"{title}: {len(findings):,}", style="yellow", highlight=False)
    for each in findings[:FINDINGS_SHOWN]:
        text = f"  {each.kind.replace('_', ' ')} {each.id or ''}: {each.message}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    if len(findings) > FINDINGS_SHOWN:
        console.print(f"  ... and {len(findings) - FINDINGS_SHOWN:,} more; manifest.json names all.", highlight=False)
