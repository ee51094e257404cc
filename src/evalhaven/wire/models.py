"""The list of models that runs and graders may name (`GET /v1/models`)."""

from typing import Literal

from evalhaven.wire.contract import UnixTime, WireModel


class Model(WireModel):
    """Show a model; `created` is Unix seconds. Published schema Model."""

    object: Literal["model"]
    id: str
    created: UnixTime
    owned_by: str


class ListModelsResponse(WireModel):
    """Show every model; the list has no pages. Published schema ListModelsResponse."""

    object: Literal["list"]
    data: list[Model]
