"""`/ui/…`: the dashboard, and the redirects that keep old report links alive."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.pages.dashboard import HEADERS
from evalhaven.api.services import ServicesOf
from evalhaven.domain.errors import NotFoundError

router = APIRouter(include_in_schema=False, route_class=GuardedRoute)

_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Evalhaven</title>
<h1>The dashboard is not built</h1>
<p>This server was installed without its pages; the API works. In a clone of the repository, <code>make setup</code>
builds them, and needs no Node. An installed package brings them along, unless EVALHAVEN_SKIP_WEB=1 was set when it was
built. Then start the server again.</p></html>
"""


@router.get("/")
async def redirect_to_dashboard(request: Request) -> Response:
    """Redirect people to the dashboard."""
    return RedirectResponse(_way_to_pages(request))


@router.get("/evaluations")
@router.get("/evaluation/evals")
async def redirect_hosted_list(request: Request) -> Response:
    """Redirect the hosted dashboard's list of evals."""
    return RedirectResponse(f"{_way_to_pages(request)}evals")


@router.get("/evaluations/{eval_id}")
@router.get("/evaluation/evals/{eval_id}")
async def redirect_hosted_link(
    request: Request, eval_id: str, run_id: Annotated[str | None, Query()] = None
) -> Response:
    """Redirect the hosted dashboard's links, with a new host, to the page of the same eval or run."""
    tail = "" if run_id is None else f"/runs/{quote(run_id, safe='')}"
    return RedirectResponse(f"{_way_to_pages(request)}evals/{quote(eval_id, safe='')}{tail}")


@router.get("/ui")
@router.get("/ui/{path:path}")
async def show_dashboard(
    request: Request, services: ServicesOf, path: str = "", accept_encoding: Annotated[str, Header()] = ""
) -> Response:
    """Send a file of the dashboard, or its one page for every address that the dashboard itself knows."""
    dashboard = services.dashboard
    if not dashboard.is_built:
        return HTMLResponse(_NOT_BUILT, 503, HEADERS)
    found = dashboard.response(path, _way_to_pages(request), accept_encoding)
    if found is None:
        # The page that asks is older than this server.
        raise NotFoundError("File of the dashboard", path, "path")
    return found


def _way_to_pages(request: Request) -> str:
    """Return the relative way from the address of a request to `/ui/`.

    A proxy that strips a prefix does not say which; the browser knows it, and puts it before a relative address.
    """
    # As it was sent: a slash that is escaped there is none for the browser.
    steps = request.scope["raw_path"].count(b"/") - 1
    return f"{'../' * steps}ui/"
