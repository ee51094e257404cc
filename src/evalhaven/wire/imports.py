"""Bodies of Evalhaven's own endpoints that take in objects of another server."""

from typing import Annotated

from pydantic import Field, WithJsonSchema

from evalhaven.wire.contract import OpenObject, WireModel


class ImportFileForm(WireModel):
    """Bring a file over: a multipart form."""

    document: str = Field(description="The file object as the first server answered it, as JSON text.")
    file: Annotated[bytes, WithJsonSchema({"type": "string", "format": "binary"})] = Field(
        description="The content of the file."
    )


class ImportRefusal(OpenObject):
    """Tell why an object was not taken in."""

    id: str = Field(description="Its id; empty if it has none.")
    reason: str = Field(description="Why it cannot come over.")


class ImportOutcome(OpenObject):
    """Show what came of a batch. In a check it is what would come of it."""

    created: int = Field(description="Objects that came over.")
    unchanged: int = Field(description="Objects that were here already. They stay as they are.")
    refused: list[ImportRefusal] = Field(description="Objects that cannot come over.")
