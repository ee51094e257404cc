"""Reports of large runs, computed once when their columns are complete: reading all of them again would take too long.

A kept report is one of a version of the run's items. It is not asked for what only a question names: numbers of
samples, and labels that are compared.
"""

from typing import Any

from pydantic import ValidationError

from evalhaven.domain.evals import Eval
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.reports.columns.form import LARGE_RUN_ITEMS
from evalhaven.reports.columns.loading import load_columns
from evalhaven.reports.gaps import gaps_of
from evalhaven.reports.report import ReportQuestion, compute_report, told_by_run
from evalhaven.storage.evals import get_eval_by_key
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.run_columns import KeptReport, find_items_state, find_kept_report
from evalhaven.storage.runs import get_run_by_key
from evalhaven.wire.reports import RunReport

_FORM = 1  # of kept reports; those of another one are computed anew, so it is raised whenever reports say more
_MOST_GROUPS = 2_000  # of all breakdowns that are kept with a report


async def read_report(
    tx: ReadTransaction, run: Run, parent: Eval, question: ReportQuestion, least_items: int = LARGE_RUN_ITEMS
) -> RunReport:
    """Return the report of a run: the kept one, if it answers the question.

    Args:
        tx: Open transaction.
        run: The run.
        parent: Its eval.
        question: What is asked for.
        least_items: From how many items on a report may be kept.

    Raises:
        InvalidRequestError: A field or criterion that is named does not exist or cannot be used so.
    """
    if run.tally.total >= least_items and not question.ks and question.reference is None:
        kept = await _find(tx, run)
        broken_down = {} if kept is None else {each.field: each for each in kept.breakdowns}
        if kept is not None and all(name in broken_down for name in question.by):
            wanted: dict[str, Any] = {"breakdowns": [broken_down[name] for name in question.by]}
            report = kept.model_copy(update={**told_by_run(run), **wanted})
            gaps = gaps_of(run, report, is_repeated=report.repeats is not None)
            return report.model_copy(update={"gaps": gaps})
    return await compute_report(tx, run, parent, question)


async def compute_kept_report(tx: ReadTransaction, scope: ProjectScope, run_key: int) -> KeptReport:
    """Return what is to be kept of a run, all of whose items are in columns.

    Args:
        tx: Open transaction.
        scope: Whose run.
        run_key: The run.
    """
    state = await find_items_state(tx, scope, run_key)
    run = await get_run_by_key(tx, scope, run_key)
    parent = await get_eval_by_key(tx, scope, run.eval_key)
    fields = (await load_columns(tx, run, len(run.criteria(parent)), ())).fields
    by, groups = list[str](), 0
    for name, values in fields.items():
        if groups + len(values) <= _MOST_GROUPS:
            by.append(name)
            groups += len(values)
    report = await compute_report(tx, run, parent, ReportQuestion(by), is_piecemeal=True)
    return KeptReport(state.items_version, _FORM, report.model_dump_json())


async def _find(tx: ReadTransaction, run: Run) -> RunReport | None:
    kept = await find_kept_report(tx, run.scope, run.key)
    if kept is None or kept.form != _FORM:
        return None
    state = await find_items_state(tx, run.scope, run.key)
    if not kept.items_version == state.items_version == state.columns_version:
        return None
    try:
        return RunReport.model_validate_json(kept.document)
    except ValidationError:
        return None
