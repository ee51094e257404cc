"""What the pages show of a run: its state and counts, its criteria, its output items."""

from collections.abc import Sequence
from typing import Any, cast

from evalhaven.api.pages.markup import escaped, link, shown_rate, shown_time, table
from evalhaven.domain.evals import Eval
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.runs import Run
from evalhaven.domain.statuses import RunStatus


def run_head(run: Run, parent: Eval) -> str:
    """Return a run's name, state and counts."""
    tally = run.tally
    planned = "?" if run.items_planned is None else str(run.items_planned)
    rows = [
        ["Status", run_status(run)],
        ["Items", f"{tally.total} of {planned}"],
        [
            "Passed",
            f'<span class="pass">✓ {tally.passed}</span> {shown_rate(tally.passed, tally.passed + tally.failed)}',
        ],
        ["Failed", f'<span class="fail">✗ {tally.failed}</span>'],
        ["Errored", f'<span class="error">! {tally.errored}</span> (not part of the rate)'],
        ["Created", shown_time(run.created_at)],
    ]
    if run.regrading is not None:
        source = link(f"/ui/evals/{parent.id}/runs/{run.regrading.run_id}", run.regrading.run_id)
        by = "the eval's criteria" if run.own_criteria is None else "criteria of its own"
        rows.append(["Samples", f"of {source}, graded by {by}"])
    if run.times_retried:
        rows.append(["Tried again", f"{run.times_retried} times"])
    if tally.unresolved:
        rows.append(["Unresolved", f"{tally.unresolved} items where a placeholder of a criterion had no value"])
    rows += [["Endpoint", f'<span class="error">{text}</span>'] for text in _unreachable(run)]
    if run.error is not None:
        rows.append(["Error", f'<span class="error">{escaped(run.error.code)}: {escaped(run.error.message)}</span>'])
    rows += [["Warning", f"{escaped(caution.pointer)}: {escaped(caution.message)}"] for caution in run.warnings]
    back = f'<p><a href="/ui/">Evals</a> / {link(f"/ui/evals/{parent.id}", parent.name)}</p>'
    return f"{back}<h1>{escaped(run.name)}</h1><p><code>{escaped(run.id)}</code></p>{table(None, rows)}"


def _unreachable(run: Run) -> list[str]:
    """Return a line for each endpoint that cannot be reached while the run goes on."""
    flow = run.flow or {}
    judges = flow.get("judges")
    told: dict[str, None] = {}
    for calls in (flow, *(judges if isinstance(judges, list) else ()), flow.get("embeddings")):
        found = calls.get("unreachable") if isinstance(calls, dict) else None
        if isinstance(found, dict) and not run.status.is_final:
            since, reason = cast("tuple[float, str]", (found["since"], found["reason"]))
            told[f"out of reach since {shown_time(int(since))}, still trying: {escaped(reason)}"] = None
    return list(told)


def run_status(run: Run) -> str:
    """Return a run's status; a run with errors never looks like one without."""
    errored = run.tally.errored
    more = f' <span class="error">with {errored} errored</span>' if errored else ""
    return f"{escaped(run.status)}{more}"


def run_criteria(run: Run, parent: Eval) -> str:
    """Return the rate of each criterion."""
    if run.tally.criteria is None:
        return ""
    rows = [
        [
            escaped(criterion.name),
            escaped(criterion.type),
            shown_rate(counts.passed, counts.passed + counts.failed),
            str(counts.failed),
            str(counts.errored),
        ]
        for criterion, counts in zip(run.criteria(parent), run.tally.criteria, strict=True)
    ]
    return "<h2>Criteria</h2>" + table(["Criterion", "Type", "Passed (95 % interval)", "Failed", "Errored"], rows)


def run_troubles(items: list[OutputItem], run: Run) -> str:
    """Return the first items that did not pass, and links to all."""
    if not items:
        is_clean = run.status is RunStatus.COMPLETED and 0 < run.tally.passed == run.tally.total
        return ("<p>Every item passed.</p>" if is_clean else "") + item_links(run)
    tally = run.tally
    # An imported run keeps the counts it had elsewhere, whichever items came over.
    number = max(tally.failed + tally.errored, len(items))
    rest = "" if number == len(items) else f"<p>These are {len(items)} of {number:,}.</p>"
    return f"<h2>First items that did not pass</h2>{items_table(items)}{rest}{item_links(run)}"


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
