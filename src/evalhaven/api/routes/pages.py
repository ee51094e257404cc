"""`/ui/…`: plain pages for what the dashboard does not show yet.

Everything that a user or a model wrote is escaped, and the pages carry no script.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Response

from evalhaven.api.pages.cursors import Cursor, CursorOf, Slice, more_links
from evalhaven.api.pages.markup import escaped, page_response, shown_time, table
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.storage.files import list_files

router = APIRouter(include_in_schema=False)

_NEWEST_FIRST = ("newer", "older")


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
