"""The list of models that runs and graders may name (`GET /v1/models`)."""

from typing import Literal

from evalhaven.wire.contract import OpenObject, UnixTime, WireModel


class Model(WireModel):
    """Show a model; `created` is 0, because endpoints are not asked, `owned_by` names the endpoint that serves it.

    Published schema Model.
    """

    object: Literal["model"]
    id: str
    created: UnixTime
    owned_by: str


class ModelPattern(OpenObject):
    """Show which names an endpoint serves besides those listed: `*` and `?` stand for anything and one character."""

    pattern: str
    endpoint: str


class ListModelsExtension(OpenObject):
    """Hold what Evalhaven tells of models beyond the published contract."""

    patterns: list[ModelPattern]


class ListModelsResponse(WireModel):
    """Show every model; the list has no pages. Published schema ListModelsResponse."""

    object: Literal["list"]
    data: list[Model]
    evalhaven: ListModelsExtension
