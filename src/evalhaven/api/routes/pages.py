"""`/ui/…`: plain pages for people, and the redirects that keep old report links alive.

Everything that a user or a model wrote is escaped, and the pages carry no script.
"""

import html
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, cast
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from starlette.responses import HTMLResponse, RedirectResponse

from evalhaven.api.page_cursors import SHOWN, Cursor, CursorOf, Slice, more_links
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.evals import Eval
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.paging import PageRequest
from evalhaven.domain.runs import Run
from evalhaven.domain.statuses import ITEM_STATUS_FILTERS, ItemStatus, RunStatus
from evalhaven.stats.intervals import wilson_interval
from evalhaven.storage.evals import get_eval, list_evals
from evalhaven.storage.files import list_files
from evalhaven.storage.output_items import list_output_items
from evalhaven.storage.runs import get_run, list_runs

router = APIRouter(include_in_schema=False)

_SHOWN_CHARS = 300
_NEWEST_FIRST = ("newer", "older")
_FIRST_FIRST = ("earlier", "later")
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1b1b1b;background:#fff}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}th,td{text-align:left;padding:.3rem .8rem .3rem 0;
border-bottom:1px solid #ddd;vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
pre{white-space:pre-wrap;margin:0}.pass{color:#0072b2}.fail{color:#b34700}.error{color:#8a3d74}
@media(prefers-color-scheme:dark){body{color:#eee;background:#16181c}th,td{border-color:#3a3f47}a{color:#7ab8ff}
.pass{color:#56b4e9}.fail{color:#e69f00}.error{color:#d9a0c4}}
"""


@router.get("/")
async def redirect_to_pages() -> Response:
    """Lead people to the pages."""
    return RedirectResponse("/ui/")


@router.get("/evaluations/{eval_id}")
@router.get("/evaluation/evals/{eval_id}")
async def redirect_hosted_link(eval_id: str, run_id: Annotated[str | None, Query()] = None) -> Response:
    """Lead the hosted dashboard's links, with a new host, to the page of the same eval or run."""
    tail = "" if run_id is None else f"/runs/{quote(run_id, safe='')}"
    return RedirectResponse(f"/ui/evals/{quote(eval_id, safe='')}{tail}")


@router.get("/ui/")
async def show_evals(services: ServicesOf, scope: ScopeOf, cursor: CursorOf) -> Response:
    """Show evals, newest first."""
    async with services.database.read() as tx:
        shown = cursor.slice_of(await list_evals(tx, scope, cursor.request("desc")))
    rows = [
        [_link(f"/ui/evals/{each.id}", each.name), _text(", ".join(_types(each))), _time(each.created_at)]
        for each in shown.objects
    ]
    none = (
        "<p>No evals yet. Create one with any OpenAI SDK: set its <code>base_url</code> to "
        f"<code>{_text(services.config.base_url)}/v1</code> and call <code>evals.create</code>.</p>"
    )
    table = _table(["Eval", "Criteria", "Created"], rows) if rows else _nothing(cursor, none)
    more = _more("/ui/", [each.id for each in shown.objects], shown, _NEWEST_FIRST)
    return _page("Evals", f'<p>Evals | <a href="/ui/files">Files</a></p><h1>Evals</h1>{table}{more}')


@router.get("/ui/files")
async def show_files(services: ServicesOf, scope: ScopeOf, cursor: CursorOf) -> Response:
    """Show uploaded files, newest first."""
    async with services.database.read() as tx:
        shown = cursor.slice_of(await list_files(tx, scope, cursor.request("desc"), None, services.now()))
    rows = [
        [
            _text(each.filename),
            f"<code>{_text(each.id)}</code>",
            _text(each.purpose),
            f"{each.size_bytes:,}",
            _time(each.created_at),
        ]
        for each in shown.objects
    ]
    heads = ["File", "Id", "Purpose", "Bytes", "Created"]
    table = _table(heads, rows) if rows else _nothing(cursor, "<p>No files yet.</p>")
    more = _more("/ui/files", [each.id for each in shown.objects], shown, _NEWEST_FIRST)
    return _page("Files", f'<p><a href="/ui/">Evals</a> | Files</p><h1>Files</h1>{table}{more}')


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
            _link(f"/ui/evals/{parent.id}/runs/{run.id}", run.name),
            _status(run),
            _rate(run.tally.passed, run.tally.passed + run.tally.failed),
            _time(run.created_at),
        ]
        for run in shown.objects
    ]
    heads = ["Run", "Status", "Passed (95 % interval)", "Created"]
    table = _table(heads, rows) if rows else _nothing(cursor, "<p>No runs yet.</p>")
    more = _more(f"/ui/evals/{parent.id}", [run.id for run in shown.objects], shown, _NEWEST_FIRST)
    head = f'<p><a href="/ui/">Evals</a></p><h1>{_text(parent.name)}</h1><p><code>{_text(parent.id)}</code></p>'
    return _page(parent.name, f"{head}<h2>Runs</h2>{table}{more}")


@router.get("/ui/evals/{eval_id}/runs/{run_id}")
async def show_run(eval_id: str, run_id: str, services: ServicesOf, scope: ScopeOf) -> Response:
    """Show a run: its counts, each criterion's rate with its interval, and the first items that did not pass."""
    async with services.database.read() as tx:
        try:
            parent = await get_eval(tx, scope, eval_id)
            run = await get_run(tx, scope, eval_id, run_id)
        except NotFoundError as error:
            return _not_found(error)
        page = PageRequest(SHOWN, "asc")
        troubles = [
            *(await list_output_items(tx, scope, run.key, page, ItemStatus.ERROR)).objects,
            *(await list_output_items(tx, scope, run.key, page, ItemStatus.FAIL)).objects,
        ][:SHOWN]
    body = "".join([_run_head(run, parent), _run_criteria(run, parent), _run_troubles(troubles, run)])
    return _page(f"{run.name} - {parent.name}", body, refresh_s=None if run.status.is_final else 2)


@router.get("/ui/evals/{eval_id}/runs/{run_id}/items")
async def show_items(
    eval_id: str,
    run_id: str,
    services: ServicesOf,
    scope: ScopeOf,
    cursor: CursorOf,
    status: Annotated[Literal["pass", "fail", "error"] | None, Query()] = None,
) -> Response:
    """Show the output items of a run, all or those of one status, in the order in which they ended."""
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
        f'<p><a href="/ui/">Evals</a> / {_link(f"/ui/evals/{parent.id}", parent.name)} / {_link(address, run.name)}</p>'
    )
    title = f"Output items: {status or 'all'}"
    table = _items_table(shown.objects) if shown.objects else _nothing(cursor, "<p>No such items.</p>")
    more = _more(f"{address}/items", [item.id for item in shown.objects], shown, _FIRST_FIRST, filters)
    return _page(f"{title} - {run.name}", f"{back}<h1>{title}</h1>{_item_links(run)}{table}{more}")


def _run_head(run: Run, parent: Eval) -> str:
    tally = run.tally
    planned = "?" if run.items_planned is None else str(run.items_planned)
    rows = [
        ["Status", _status(run)],
        ["Items", f"{tally.total} of {planned}"],
        [
            "Passed",
            f'<span class="pass">✓ {tally.passed}</span> {_rate(tally.passed, tally.passed + tally.failed)}',
        ],
        ["Failed", f'<span class="fail">✗ {tally.failed}</span>'],
        ["Errored", f'<span class="error">! {tally.errored}</span> (not part of the rate)'],
        ["Created", _time(run.created_at)],
    ]
    if run.regrading is not None:
        source = _link(f"/ui/evals/{parent.id}/runs/{run.regrading.run_id}", run.regrading.run_id)
        by = "the eval's criteria" if run.own_criteria is None else "criteria of its own"
        rows.append(["Samples", f"of {source}, graded by {by}"])
    if run.times_retried:
        rows.append(["Tried again", f"{run.times_retried} times"])
    if tally.unresolved:
        rows.append(["Unresolved", f"{tally.unresolved} items where a placeholder of a criterion had no value"])
    rows += [["Endpoint", f'<span class="error">{text}</span>'] for text in _unreachable(run)]
    if run.error is not None:
        rows.append(["Error", f'<span class="error">{_text(run.error.code)}: {_text(run.error.message)}</span>'])
    rows += [["Warning", f"{_text(caution.pointer)}: {_text(caution.message)}"] for caution in run.warnings]
    back = f'<p><a href="/ui/">Evals</a> / {_link(f"/ui/evals/{parent.id}", parent.name)}</p>'
    return f"{back}<h1>{_text(run.name)}</h1><p><code>{_text(run.id)}</code></p>{_table(None, rows)}"


def _unreachable(run: Run) -> list[str]:
    """Return a sentence for each endpoint that cannot be reached while the run goes on."""
    flow = run.flow or {}
    judges = flow.get("judges")
    told: dict[str, None] = {}
    for calls in (flow, *(judges if isinstance(judges, list) else ()), flow.get("embeddings")):
        found = calls.get("unreachable") if isinstance(calls, dict) else None
        if isinstance(found, dict) and not run.status.is_final:
            since, reason = cast("tuple[float, str]", (found["since"], found["reason"]))
            told[f"out of reach since {_time(int(since))}, trying on: {_text(reason)}"] = None
    return list(told)


def _status(run: Run) -> str:
    """Return a run's status; a run with errors never looks like one without."""
    errored = run.tally.errored
    more = f' <span class="error">with {errored} errored</span>' if errored else ""
    return f"{_text(run.status)}{more}"


def _run_criteria(run: Run, parent: Eval) -> str:
    if run.tally.criteria is None:
        return ""
    rows = [
        [
            _text(str(criterion["name"])),
            _text(str(criterion["type"])),
            _rate(counts.passed, counts.passed + counts.failed),
            str(counts.failed),
            str(counts.errored),
        ]
        for criterion, counts in zip(run.criteria(parent), run.tally.criteria, strict=True)
    ]
    return "<h2>Criteria</h2>" + _table(["Criterion", "Type", "Passed (95 % interval)", "Failed", "Errored"], rows)


def _run_troubles(items: list[OutputItem], run: Run) -> str:
    if not items:
        is_clean = run.status is RunStatus.COMPLETED and 0 < run.tally.passed == run.tally.total
        return ("<p>Every item passed.</p>" if is_clean else "") + _item_links(run)
    tally = run.tally
    # An imported run counts as it did elsewhere, whatever came over.
    number = max(tally.failed + tally.errored, len(items))
    rest = "" if number == len(items) else f"<p>These are {len(items)} of {number:,}.</p>"
    return f"<h2>First items that did not pass</h2>{_items_table(items)}{rest}{_item_links(run)}"


def _item_links(run: Run) -> str:
    """Return links to all output items of a run and to those of each status that it has."""
    tally = run.tally
    address = f"/ui/evals/{run.eval_id}/runs/{run.id}/items"
    counts = {"error": tally.errored, "fail": tally.failed, "pass": tally.passed}
    links = [_link(address, f"all {tally.total:,}")] if tally.total else []
    links += [_link(f"{address}?status={name}", f"{count:,} {name}") for name, count in counts.items() if count]
    return f"<p>Output items: {' | '.join(links)}</p>" if links else ""


def _items_table(items: Sequence[OutputItem]) -> str:
    rows = [
        [
            str(item.position),
            f'<span class="{item.status.wire}">{item.status.wire}</span>',
            f"<pre>{_text(item.item_text)}</pre>",
            f"<pre>{_text(_output_of(item))}</pre>",
        ]
        for item in items
    ]
    return _table(["#", "Status", "Item", "Output"], rows)


def _output_of(item: OutputItem) -> str:
    sample = item.sample
    message: Any = sample.output[0] if sample.output else {}
    if sample.error is not None:
        return sample.error.message
    return f"{message.get('content', '')}{''.join(f' ({note})' for note in sample.notes)}"


def _types(found: Eval) -> list[str]:
    return [str(criterion["type"]) for criterion in found.testing_criteria]


def _rate(passed: int, total: int) -> str:
    if not total:
        return "-"
    low, high = wilson_interval(passed, total)
    return f"{passed} / {total} = {passed / total:.1%} ({low:.1%} - {high:.1%})"


def _time(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _text(value: str) -> str:
    shown = value if len(value) <= _SHOWN_CHARS else f"{value[:_SHOWN_CHARS]}…"
    return html.escape(shown.encode("utf-8", "replace").decode())


def _link(address: str, label: str) -> str:
    return f'<a href="{html.escape(address)}">{_text(label) or "(no name)"}</a>'


def _table(heads: list[str] | None, rows: list[list[str]]) -> str:
    head = "" if heads is None else f"<thead><tr>{''.join(f'<th>{name}</th>' for name in heads)}</tr></thead>"
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{head}<tbody>{body}</tbody></table>"


def _more(
    address: str,
    ids: Sequence[str],
    shown: Slice[Any],
    words: tuple[str, str],
    filters: Mapping[str, str] | None = None,
) -> str:
    return more_links(address, ids[0], ids[-1], shown, words, filters or {}) if ids else ""


def _nothing(cursor: Cursor, none: str) -> str:
    """Return what to say of a page without objects: the list may have ended where its cursor points."""
    return none if cursor == Cursor(None, None) else "<p>There are no more.</p>"


def _not_found(error: NotFoundError) -> Response:
    return _page("Not found", f'<h1>Not found</h1><p>{_text(error.message)}</p><p><a href="/ui/">Evals</a></p>', 404)


def _page(title: str, body: str, status: int = 200, refresh_s: int | None = None) -> Response:
    refresh = "" if refresh_s is None else f'<meta http-equiv="refresh" content="{refresh_s}">'
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_text(title)} - Evalhaven</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">{refresh}<style>{_STYLE}</style></head>'
        f"<body><main>{body}</main></body></html>"
    )
    return HTMLResponse(text, status, _HEADERS)
