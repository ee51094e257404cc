"""`/api/logs`: logged calls as a whole."""

from fastapi import APIRouter, Response

from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.rendering.log_status import log_status
from evalhaven.api.services import ServicesOf
from evalhaven.wire.logs import LogStatus

router = APIRouter(prefix="/api/logs", tags=["Logs"])


@router.get("", operation_id="getLogStatus", response_model=LogStatus, response_description="The state of logging.")
async def get_log_status(services: ServicesOf) -> Response:
    """Get how many calls are stored, wait to be stored, and were lost, and for how long they are kept."""
    config = services.config
    status = await log_status(
        services.log_store,
        services.log_sender,
        services.recorder_state(),
        days=config.log_days,
        max_gb=config.log_max_gb,
    )
    return json_response(status.model_dump_json())
