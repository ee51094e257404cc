"""`/v1/organization/projects`: the organization's projects."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from evalhaven.access.callers import DEFAULT_PROJECT_ID
from evalhaven.api.access.auditing import record_audit
from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.bodies import read_document
from evalhaven.api.lists import DEFAULT_LIMIT, After, Limit, page_request
from evalhaven.api.rendering.json_texts import model_response
from evalhaven.api.rendering.organization import ends_of, shown_project
from evalhaven.api.services import ServicesOf
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.ids import created_at_of
from evalhaven.domain.scopes import OrganizationScope
from evalhaven.storage.access import projects as store
from evalhaven.storage.reading import ReadTransaction
from evalhaven.wire import organization as wire
from evalhaven.wire.requests import parse_request

router = APIRouter(prefix="/v1/organization/projects", tags=["Projects"], route_class=GuardedRoute)

ProjectId = Annotated[str, Path(description="Id of the project.")]
WithArchived = Annotated[bool, Query(description="Whether archived projects are listed, too.")]
_ORGANIZATION = OrganizationScope()


@router.get("", operation_id="list-projects", response_model=wire.ProjectListResponse)
async def list_projects(
    services: ServicesOf, *, after: After = None, limit: Limit = DEFAULT_LIMIT, include_archived: WithArchived = False
) -> Response:
    """List projects."""
    page = page_request(after, limit, None, services.config.list_order)

    async def work(tx: ReadTransaction) -> tuple[list[wire.Project], bool]:
        found, has_more = await store.list_projects(tx, _ORGANIZATION, page, with_archived=include_archived)
        contents = await store.count_contents(tx, _ORGANIZATION, found, services.now())
        return [shown_project(each, contents[each.id]) for each in found], has_more

    data, has_more = await services.database.fetch(work)
    first, last = ends_of([each.id for each in data])
    return model_response(
        wire.ProjectListResponse(object="list", data=data, first_id=first, last_id=last, has_more=has_more)
    )


@router.post("", operation_id="create-project", response_model=wire.Project)
async def create_project(request: Request, services: ServicesOf) -> Response:
    """Create a project."""
    body = parse_request(wire.ProjectCreateRequest, await read_document(request, services.config.max_body_bytes)).body
    project_id = services.ids.new_project_id()
    async with services.database.write() as tx:
        await store.insert_project(tx, _ORGANIZATION, project_id, body.name, created_at_of(project_id))
        project = await store.get_project(tx, _ORGANIZATION, project_id)
        await record_audit(
            tx, request, "project.created", ("project", project_id), scope=project.scope, details={"name": body.name}
        )
        shown = await _shown(tx, project_id, services.now())
    services.door.forget()
    return model_response(shown)


@router.get("/{project_id}", operation_id="retrieve-project", response_model=wire.Project)
async def get_project(project_id: ProjectId, services: ServicesOf) -> Response:
    """Get a project, archived or not."""
    return model_response(await services.database.fetch(lambda tx: _shown(tx, project_id, services.now())))


@router.post("/{project_id}", operation_id="modify-project", response_model=wire.Project)
async def modify_project(project_id: ProjectId, request: Request, services: ServicesOf) -> Response:
    """Give a project another name."""
    body = parse_request(wire.ProjectUpdateRequest, await read_document(request, services.config.max_body_bytes)).body
    async with services.database.write() as tx:
        before = await store.get_project(tx, _ORGANIZATION, project_id)
        if body.name is not None and body.name != before.name:
            await store.rename_project(tx, _ORGANIZATION, project_id, body.name)
            details = {"name": body.name, "former_name": before.name}
            await record_audit(
                tx, request, "project.renamed", ("project", project_id), scope=before.scope, details={**details}
            )
        shown = await _shown(tx, project_id, services.now())
    return model_response(shown)


@router.post("/{project_id}/archive", operation_id="archive-project", response_model=wire.Project)
async def archive_project(project_id: ProjectId, request: Request, services: ServicesOf) -> Response:
    """Archive a project: its keys are refused from now on. What it holds stays, and runs under way are canceled."""
    if project_id == DEFAULT_PROJECT_ID:
        raise InvalidRequestError(
            "The default project cannot be archived: admin keys act in it unless OpenAI-Project names another one.",
            param="project_id",
            code="invalid_value",
        )
    async with services.database.write() as tx:
        project = await store.get_project(tx, _ORGANIZATION, project_id)
        if await store.archive_project(tx, _ORGANIZATION, project_id, services.now()):
            # Nobody could see or stop them any more, and they would go on spending.
            await services.lifecycle.cancel_all(tx, project.scope)
            await record_audit(tx, request, "project.archived", ("project", project_id), scope=project.scope)
        shown = await _shown(tx, project_id, services.now())
    services.door.forget()
    services.wake_executor()
    return model_response(shown)


async def _shown(tx: ReadTransaction, project_id: str, now: int) -> wire.Project:
    project = await store.get_project(tx, _ORGANIZATION, project_id)
    contents = await store.count_contents(tx, _ORGANIZATION, [project], now)
    return shown_project(project, contents[project.id])
