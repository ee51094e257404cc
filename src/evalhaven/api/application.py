"""The ASGI application: routes, errors and middleware put together."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI

from evalhaven import __version__
from evalhaven.api.access.routes import GuardedRoute, guard_routes
from evalhaven.api.errors import install_error_handlers
from evalhaven.api.forwarding import ForwardedHeaders
from evalhaven.api.gateway.routes import gateway_routes
from evalhaven.api.middleware import HeadRequests, HostGuard, LoopGuard, PathAliases, RequestRecord
from evalhaven.api.openapi import install_documents
from evalhaven.api.origins import OriginGuard
from evalhaven.api.request_meters import RequestMeters, patterns_of
from evalhaven.api.routes import dashboard, health, metrics, openid, traces
from evalhaven.api.routes.extension import (
    audit,
    comparisons,
    events,
    exports,
    found_items,
    gates,
    html_reports,
    imports,
    inventory,
    keys,
    limits,
    logged_calls,
    logs,
    members,
    plans,
    reports,
    reruns,
    retention,
    run_items,
    server,
    sessions,
    workers,
)
from evalhaven.api.routes.extension import evals as eval_overviews
from evalhaven.api.routes.extension import runs as runs_by_id
from evalhaven.api.routes.extension import webhooks as deliveries
from evalhaven.api.routes.v1 import (
    evals,
    files,
    graders,
    models,
    organization_keys,
    organization_projects,
    output_items,
    responses,
    runs,
    stored_completions,
    uploads,
    webhooks,
)
from evalhaven.api.services import Services

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def build_application(services: Services, lifespan: Lifespan) -> FastAPI:
    """Return the application over its services.

    Args:
        services: What the routes work with.
        lifespan: Entered while the application is served.
    """
    application = FastAPI(
        title="Evalhaven",
        summary="The OpenAI Evals API as software that anyone can run.",
        version=__version__,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    application.state.services = services
    application.router.route_class = GuardedRoute
    for routes in (evals, runs, output_items, files, uploads, models, graders, stored_completions, responses, webhooks):
        application.include_router(routes.router)
    application.include_router(organization_projects.router)
    application.include_router(organization_keys.router)
    application.include_router(imports.router)
    application.include_router(eval_overviews.router)
    application.include_router(runs_by_id.router)
    application.include_router(run_items.router)
    application.include_router(found_items.router)
    application.include_router(events.router)
    application.include_router(inventory.router)
    application.include_router(reruns.router)
    application.include_router(reports.router)
    application.include_router(exports.router)
    application.include_router(html_reports.router)
    application.include_router(comparisons.router)
    application.include_router(gates.router)
    application.include_router(plans.router)
    application.include_router(keys.router)
    application.include_router(members.router)
    application.include_router(sessions.router)
    application.include_router(openid.router)
    application.include_router(limits.router)
    application.include_router(retention.router)
    application.include_router(audit.router)
    application.include_router(server.router)
    application.include_router(workers.router)
    application.include_router(logs.router)
    application.include_router(logged_calls.router)
    application.include_router(deliveries.router)
    application.include_router(traces.router)
    application.include_router(health.router)
    application.include_router(metrics.router)
    application.include_router(dashboard.router)
    # First, so that nothing is searched through for them.
    application.router.routes[:0] = gateway_routes(services.gateway)
    install_error_handlers(application)
    install_documents(application)
    guard_routes(application, services.door)
    # The last middleware added is the outermost.
    application.add_middleware(HeadRequests)
    application.add_middleware(PathAliases)
    application.add_middleware(OriginGuard, allowed_origins=services.config.allowed_origins)
    application.add_middleware(HostGuard, allowed_hosts=services.config.allowed_hosts)
    application.add_middleware(LoopGuard)
    is_https_only = services.config.has_own_https_host
    application.add_middleware(
        RequestRecord,
        new_request_id=services.ids.new_request_id,
        meters=RequestMeters(services.board, patterns_of(application)),
        tracing=services.tracing,
        is_https_only=is_https_only,
    )
    application.add_middleware(ForwardedHeaders, trusted=services.config.trusted_proxies)
    return application
