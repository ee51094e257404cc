"""`/ui/…`: plain pages for what the dashboard does not show yet.

Everything that a user or a model wrote is escaped, and the pages carry no script.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Response

from evalhaven.api.pages.cursors import Cursor, CursorOf, Slice, more_links
from evalhaven.api.pages.markup import escaped, link, page_response, shown_rate, shown_time, table
from evalhaven.api.pages.runs import run_status
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain.errors import NotFoundError
from evalhaven.storage.evals import get_eval
from evalhaven.storage.runs import list_runs

router = APIRouter(include_in_schema=False)

_NEWEST_FIRST = ("newer", "older")


@router.get("/ui/evals/{eval_id}")
async def show_eval(eval_id: str, services: ServicesOf, scope: ScopeOf, cursor: CursorOf) -> Response:
    """Show an eval and its runs, newest first."""
    async with services.database.read() as tx:
        try:
            parent = await get_eval(tx, scope, eval_id)
        except NotFoundError as error:
            return _not_found(error)
        shown = cursor.slice_of(await list_runs(tx, scope, parent.key, cursor.request("desc"), None))
    rows = [
        [
            link(f"/ui/evals/{parent.id}/runs/{run.id}", run.name),
            run_status(run),
            shown_rate(run.tally.passed, run.tally.passed + run.tally.failed),
            shown_time(run.created_at),
        ]
        for run in shown.objects
    ]
    heads = ["Run", "Status", "Passed (95 % interval)", "Created"]
    shown_table = table(heads, rows) if rows else _nothing(cursor, "<p>No runs yet.</p>")
    more = _more(f"/ui/evals/{parent.id}", [run.id for run in shown.objects], shown, _NEWEST_FIRST)
    head = f'<p><a href="/ui/">Evals</a></p><h1>{escaped(parent.name)}</h1><p><code>{escaped(parent.id)}</code></p>'
    return page_response(parent.name, f"{head}<h2>Runs</h2>{shown_table}{more}")


def _more(
    address: str,
    ids: Sequence[str],
    shown: Slice[Any],
    words: tuple[str, str],
) -> str:
    return more_links(address, ids[0], ids[-1], shown, words, {}) if ids else ""


def _nothing(cursor: Cursor, none: str) -> str:
    """Return the text of a page without objects: the list may have ended at its cursor."""
    return none if cursor == Cursor(None, None) else "<p>There are no more.</p>"


def _not_found(error: NotFoundError) -> Response:
    return page_response(
        "Not found", f'<h1>Not found</h1><p>{escaped(error.message)}</p><p><a href="/ui/">Evals</a></p>', 404
    )
