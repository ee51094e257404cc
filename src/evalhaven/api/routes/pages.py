"""`/ui/…`: plain pages for what the dashboard does not show yet.

Everything that a user or a model wrote is escaped, and the pages carry no script.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from evalhaven.api.pages.cursors import Cursor, CursorOf, Slice, more_links
from evalhaven.api.pages.markup import escaped, link, page_response, shown_rate, shown_time, table
from evalhaven.api.pages.runs import item_links, items_table, run_status
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.statuses import ITEM_STATUS_FILTERS
from evalhaven.storage.evals import get_eval
from evalhaven.storage.files import list_files
from evalhaven.storage.output_items import list_output_items
from evalhaven.storage.runs import get_run, list_runs

router = APIRouter(include_in_schema=False)

_NEWEST_FIRST = ("newer", "older")
_FIRST_FIRST = ("earlier", "later")


@router.get("/ui/files")
async def show_files(services: ServicesOf, scope: ScopeOf, cursor: CursorOf) -> Response:
    """Show uploaded files, newest first."""
    async with services.database.read() as tx:
        shown = cursor.slice_of(await list_files(tx, scope, cursor.request("desc"), None, services.now()))
    rows = [
        [
            escaped(each.filename),
            f"<code>{escaped(each.id)}</code>",
            escaped(each.purpose),
            f"{each.size_bytes:,}",
            shown_time(each.created_at),
        ]
        for each in shown.objects
    ]
    heads = ["File", "Id", "Purpose", "Bytes", "Created"]
    shown_table = table(heads, rows) if rows else _nothing(cursor, "<p>No files yet.</p>")
    more = _more("/ui/files", [each.id for each in shown.objects], shown, _NEWEST_FIRST)
    return page_response("Files", f'<p><a href="/ui/">Evals</a> | Files</p><h1>Files</h1>{shown_table}{more}')


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


@router.get("/ui/evals/{eval_id}/runs/{run_id}/items")
async def show_items(
    eval_id: str,
    run_id: str,
    services: ServicesOf,
    scope: ScopeOf,
    cursor: CursorOf,
    status: Annotated[Literal["pass", "fail", "error"] | None, Query()] = None,
) -> Response:
    """Show the output items of a run, all or those of one status, in the order of their completion."""
    wanted = None if status is None else ITEM_STATUS_FILTERS[status]
    async with services.database.read() as tx:
        try:
            parent = await get_eval(tx, scope, eval_id)
            run = await get_run(tx, scope, eval_id, run_id)
        except NotFoundError as error:
            return _not_found(error)
        shown = cursor.slice_of(await list_output_items(tx, scope, run.key, cursor.request("asc"), wanted))
    address = f"/ui/evals/{parent.id}/runs/{run.id}"
    filters = {} if status is None else {"status": status}
    back = (
        f'<p><a href="/ui/">Evals</a> / {link(f"/ui/evals/{parent.id}", parent.name)} / {link(address, run.name)}</p>'
    )
    title = f"Output items: {status or 'all'}"
    shown_table = items_table(shown.objects) if shown.objects else _nothing(cursor, "<p>No such items.</p>")
    more = _more(f"{address}/items", [item.id for item in shown.objects], shown, _FIRST_FIRST, filters)
    return page_response(f"{title} - {run.name}", f"{back}<h1>{title}</h1>{item_links(run)}{shown_table}{more}")


def _more(
    address: str,
    ids: Sequence[str],
    shown: Slice[Any],
    words: tuple[str, str],
    filters: Mapping[str, str] | None = None,
) -> str:
    return more_links(address, ids[0], ids[-1], shown, words, filters or {}) if ids else ""


def _nothing(cursor: Cursor, none: str) -> str:
    """Return the text of a page without objects: the list may have ended at its cursor."""
    return none if cursor == Cursor(None, None) else "<p>There are no more.</p>"


def _not_found(error: NotFoundError) -> Response:
    return page_response(
        "Not found", f'<h1>Not found</h1><p>{escaped(error.message)}</p><p><a href="/ui/">Evals</a></p>', 404
    )
