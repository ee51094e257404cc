"""A run as Evalhaven's own endpoints show it: found by its id, perhaps imported, perhaps without its rows."""

from pydantic import Field

from evalhaven.wire.contract import JsonObject, OpenObject
from evalhaven.wire.extension import EvalRunExtension
from evalhaven.wire.runs import EvalRun


class ImportOrigin(OpenObject):
    """Tell where an object was imported from."""

    origin: str = Field(description="What the import named as its source.")
    report_url: str | None = Field(default=None, description="The address of the run's page there.")


class ImportedRunExtension(OpenObject):
    """Hold what Evalhaven tells of a run that was executed elsewhere."""

    imported: ImportOrigin = Field(description="Where the run comes from.")


class EvalRunById(EvalRun):
    """Show a run as `EvalRun` does, also one that was imported."""

    data_source: JsonObject = Field(  # pyright: ignore[reportIncompatibleVariableOverride] - it may lack its rows
        description="As in `EvalRun`. With `rows=false` a source of type `file_content` has no `content`."
    )
    # Not tagged: a run that was imported from another Evalhaven is both.
    evalhaven: EvalRunExtension | ImportedRunExtension = Field(  # pyright: ignore[reportIncompatibleVariableOverride]
        description="What Evalhaven tells of the run beyond the contract."
    )
