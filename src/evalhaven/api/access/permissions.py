"""What each route asks of a caller: the one table. A route without an entry keeps the server from starting."""

from collections.abc import Iterable

from evalhaven.access.permissions import Permission

PUBLIC = None
"""For whoever reaches the server: it tells nothing that is anybody's."""

_READ, _WRITE, _MODELS = Permission.READ, Permission.WRITE, Permission.MODELS
_MANAGE, _OPERATE = Permission.MANAGE, Permission.OPERATE

PERMISSIONS: dict[tuple[str, str], Permission | None] = {
    # The contract.
    ("POST", "/v1/evals"): _WRITE,
    ("GET", "/v1/evals"): _READ,
    ("GET", "/v1/evals/{eval_id}"): _READ,
    ("POST", "/v1/evals/{eval_id}"): _WRITE,
    ("DELETE", "/v1/evals/{eval_id}"): _WRITE,
    ("POST", "/v1/evals/{eval_id}/runs"): _WRITE,
    ("GET", "/v1/evals/{eval_id}/runs"): _READ,
    ("GET", "/v1/evals/{eval_id}/runs/{run_id}"): _READ,
    ("POST", "/v1/evals/{eval_id}/runs/{run_id}"): _WRITE,
    ("POST", "/v1/evals/{eval_id}/runs/{run_id}/cancel"): _WRITE,
    ("DELETE", "/v1/evals/{eval_id}/runs/{run_id}"): _WRITE,
    ("GET", "/v1/evals/{eval_id}/runs/{run_id}/output_items"): _READ,
    ("GET", "/v1/evals/{eval_id}/runs/{run_id}/output_items/{output_item_id}"): _READ,
    ("POST", "/v1/files"): _WRITE,
    ("GET", "/v1/files"): _READ,
    ("GET", "/v1/files/{file_id}"): _READ,
    ("GET", "/v1/files/{file_id}/content"): _READ,
    ("DELETE", "/v1/files/{file_id}"): _WRITE,
    ("POST", "/v1/uploads"): _WRITE,
    ("POST", "/v1/uploads/{upload_id}/parts"): _WRITE,
    ("POST", "/v1/uploads/{upload_id}/complete"): _WRITE,
    ("POST", "/v1/uploads/{upload_id}/cancel"): _WRITE,
    ("GET", "/v1/models"): _READ,
    ("GET", "/v1/models/{model:path}"): _READ,
    # It asks models.
    ("POST", "/v1/fine_tuning/alpha/graders/run"): _WRITE,
    ("POST", "/v1/fine_tuning/alpha/graders/validate"): _READ,
    ("GET", "/v1/chat/completions"): _READ,
    ("GET", "/v1/chat/completions/{completion_id}"): _READ,
    ("POST", "/v1/chat/completions/{completion_id}"): _WRITE,
    ("DELETE", "/v1/chat/completions/{completion_id}"): _WRITE,
    ("GET", "/v1/chat/completions/{completion_id}/messages"): _READ,
    ("GET", "/v1/responses/{response_id}"): _READ,
    ("DELETE", "/v1/responses/{response_id}"): _WRITE,
    ("POST", "/v1/responses/{response_id}/cancel"): _WRITE,
    ("GET", "/v1/responses/{response_id}/input_items"): _READ,
    ("POST", "/v1/webhook_endpoints"): _MANAGE,
    ("GET", "/v1/webhook_endpoints"): _MANAGE,
    ("GET", "/v1/webhook_endpoints/{webhook_endpoint_id}"): _MANAGE,
    ("POST", "/v1/webhook_endpoints/{webhook_endpoint_id}"): _MANAGE,
    ("DELETE", "/v1/webhook_endpoints/{webhook_endpoint_id}"): _MANAGE,
    ("POST", "/v1/webhook_endpoints/{webhook_endpoint_id}/rotate_secret"): _MANAGE,
    ("POST", "/v1/webhook_endpoints/{webhook_endpoint_id}/test"): _MANAGE,
    ("GET", "/v1/webhook_event_types"): _MANAGE,
    # The gateway.
    ("POST", "/v1/chat/completions"): _MODELS,
    ("POST", "/v1/responses"): _MODELS,
    ("POST", "/v1/embeddings"): _MODELS,
    # The organization.
    ("GET", "/v1/organization/projects"): _OPERATE,
    ("POST", "/v1/organization/projects"): _OPERATE,
    ("GET", "/v1/organization/projects/{project_id}"): _OPERATE,
    ("POST", "/v1/organization/projects/{project_id}"): _OPERATE,
    ("POST", "/v1/organization/projects/{project_id}/archive"): _OPERATE,
    ("GET", "/v1/organization/projects/{project_id}/api_keys"): _OPERATE,
    ("GET", "/v1/organization/projects/{project_id}/api_keys/{api_key_id}"): _OPERATE,
    ("DELETE", "/v1/organization/projects/{project_id}/api_keys/{api_key_id}"): _OPERATE,
    ("GET", "/v1/organization/projects/{project_id}/service_accounts"): _OPERATE,
    ("POST", "/v1/organization/projects/{project_id}/service_accounts"): _OPERATE,
    ("GET", "/v1/organization/projects/{project_id}/service_accounts/{service_account_id}"): _OPERATE,
    ("POST", "/v1/organization/projects/{project_id}/service_accounts/{service_account_id}"): _OPERATE,
    ("DELETE", "/v1/organization/projects/{project_id}/service_accounts/{service_account_id}"): _OPERATE,
    ("POST", "/v1/organization/projects/{project_id}/service_accounts/{service_account_id}/api_keys"): _OPERATE,
    # Beyond the contract.
    ("POST", "/v1/traces"): _WRITE,
    ("POST", "/api/import/evals"): _WRITE,
    ("POST", "/api/import/evals/{eval_id}/runs"): _WRITE,
    ("POST", "/api/import/evals/{eval_id}/runs/{run_id}/output_items"): _WRITE,
    ("POST", "/api/import/files"): _WRITE,
    ("GET", "/api/evals"): _READ,
    ("GET", "/api/evals/{eval_id}/versions"): _READ,
    ("GET", "/api/evals/{eval_id}/plan"): _READ,
    ("GET", "/api/runs"): _READ,
    ("GET", "/api/runs/{run_id}"): _READ,
    ("GET", "/api/runs/{run_id}/events"): _READ,
    ("GET", "/api/runs/{run_id}/items"): _READ,
    ("GET", "/api/runs/{run_id}/items/{output_item_id}"): _READ,
    ("GET", "/api/runs/{run_id}/report"): _READ,
    ("GET", "/api/runs/{run_id}/breakdown"): _READ,
    ("GET", "/api/runs/{run_id}/export"): _READ,
    ("GET", "/api/runs/{run_id}/report.html"): _READ,
    # It decides about a run, and changes nothing.
    ("POST", "/api/runs/{run_id}/gate"): _READ,
    ("POST", "/api/runs/{run_id}/regrade"): _WRITE,
    ("POST", "/api/runs/{run_id}/retry"): _WRITE,
    ("POST", "/api/runs/{run_id}/pin"): _WRITE,
    ("DELETE", "/api/runs/{run_id}/pin"): _WRITE,
    ("GET", "/api/output_items/{output_item_id}"): _READ,
    ("GET", "/api/events"): _READ,
    ("GET", "/api/models"): _READ,
    ("GET", "/api/files"): _READ,
    ("GET", "/api/compare"): _READ,
    ("GET", "/api/compare/items"): _READ,
    ("GET", "/api/compare/export"): _READ,
    ("GET", "/api/compare/report.html"): _READ,
    ("GET", "/api/logs"): _READ,
    ("POST", "/api/logs"): _WRITE,
    ("GET", "/api/logs/retention"): _READ,
    ("POST", "/api/logs/retention"): _MANAGE,
    ("GET", "/api/logs/calls"): _READ,
    ("GET", "/api/logs/calls/{call_id}"): _READ,
    ("GET", "/api/keys"): _MANAGE,
    ("POST", "/api/keys"): _MANAGE,
    ("POST", "/api/keys/{key_id}"): _MANAGE,
    ("DELETE", "/api/keys/{key_id}"): _MANAGE,
    ("GET", "/api/limits"): _READ,
    ("POST", "/api/limits"): _OPERATE,
    ("GET", "/api/admin_keys"): _OPERATE,
    ("POST", "/api/admin_keys"): _OPERATE,
    ("DELETE", "/api/admin_keys/{key_id}"): _OPERATE,
    ("GET", "/api/people"): _OPERATE,
    ("GET", "/api/members"): _MANAGE,
    ("POST", "/api/members"): _MANAGE,
    ("POST", "/api/members/{person_id}"): _MANAGE,
    ("DELETE", "/api/members/{person_id}"): _MANAGE,
    ("GET", "/api/webhook_endpoints/{webhook_endpoint_id}/deliveries"): _MANAGE,
    ("GET", "/api/webhook_endpoints/{webhook_endpoint_id}/deliveries/{delivery_id}"): _MANAGE,
    ("POST", "/api/webhook_endpoints/{webhook_endpoint_id}/deliveries/{delivery_id}/resend"): _MANAGE,
    ("POST", "/api/webhook_endpoints/{webhook_endpoint_id}/resend"): _MANAGE,
    ("GET", "/api/audit"): _MANAGE,
    ("GET", "/api/audit/export"): _MANAGE,
    ("GET", "/api/settings"): _OPERATE,
    ("POST", "/api/examination"): _OPERATE,
    ("GET", "/api/workers"): _READ,
    ("GET", "/api/server"): PUBLIC,
    # What a browser or a probe asks for before anybody is known. Of a session, they tell its own browser only.
    ("GET", "/api/session"): PUBLIC,
    ("POST", "/api/session"): PUBLIC,
    ("DELETE", "/api/session"): PUBLIC,
    ("GET", "/api/login/oidc"): PUBLIC,
    ("GET", "/api/login/oidc/callback"): PUBLIC,
    ("GET", "/openapi.json"): PUBLIC,
    ("GET", "/api/openapi.json"): PUBLIC,
    ("GET", "/metrics"): _OPERATE,  # or the token of scrapers: api/routes/metrics.py
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/"): PUBLIC,
    ("GET", "/evaluations"): PUBLIC,
    ("GET", "/evaluations/{eval_id}"): PUBLIC,
    ("GET", "/evaluation/evals"): PUBLIC,
    ("GET", "/evaluation/evals/{eval_id}"): PUBLIC,
    ("GET", "/ui"): PUBLIC,
    ("GET", "/ui/{path:path}"): PUBLIC,
}
"""By method and path, as the route has it."""


class UnlistedRouteError(Exception):
    """A route has no entry in the table, or none that holds for all of its methods; the message names it."""


def permission_for(methods: Iterable[str], path: str) -> Permission | None:
    """Return what a route asks for.

    Args:
        methods: Those that it takes; HEAD is answered as GET is.
        path: As the route has it.

    Raises:
        UnlistedRouteError: The table does not say.
    """
    asked = {(method, path) for method in methods if method != "HEAD"}
    found = {PERMISSIONS[each] for each in asked if each in PERMISSIONS}
    if len(found) != 1 or not asked <= PERMISSIONS.keys():
        raise UnlistedRouteError(f"{sorted(asked)} needs one entry in PERMISSIONS of api/access/permissions.py.")
    return found.pop()
