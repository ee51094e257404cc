"""What the plain pages show of a run: its state, and its output items."""

from collections.abc import Sequence
from typing import Any

from evalhaven.api.pages.markup import escaped, link, table
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.runs import Run


def run_status(run: Run) -> str:
    """Return a run's status; a run with errors never looks like one without."""
    errored = run.tally.errored
    more = f' <span class="error">with {errored} errored</span>' if errored else ""
    return f"{escaped(run.status)}{more}"


def item_links(run: Run) -> str:
    """Return links to all output items of a run and to those of each status that it has."""
    tally = run.tally
    address = f"/ui/evals/{run.eval_id}/runs/{run.id}/items"
    counts = {"error": tally.errored, "fail": tally.failed, "pass": tally.passed}
    links = [link(address, f"all {tally.total:,}")] if tally.total else []
    links += [link(f"{address}?status={name}", f"{count:,} {name}") for name, count in counts.items() if count]
    return f"<p>Output items: {' | '.join(links)}</p>" if links else ""


def items_table(items: Sequence[OutputItem]) -> str:
    """Return a table of output items."""
    rows = [
        [
            str(item.position),
            f'<span class="{item.status.wire}">{item.status.wire}</span>',
            f"<pre>{escaped(item.item_text)}</pre>",
            f"<pre>{escaped(_output_of(item))}</pre>",
        ]
        for item in items
    ]
    return table(["#", "Status", "Item", "Output"], rows)


def _output_of(item: OutputItem) -> str:
    sample = item.sample
    message: Any = sample.output[0] if sample.output else {}
    if sample.error is not None:
        return sample.error.message
    return f"{message.get('content', '')}{''.join(f' ({note})' for note in sample.notes)}"
