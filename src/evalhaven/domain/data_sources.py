"""Where the items of a run come from and how its samples are made, as its user wrote it."""

from pydantic import ConfigDict, TypeAdapter

from evalhaven.domain import jsontext
from evalhaven.domain.documents import Document
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.wire.data_sources import (
    CreateEvalCompletionsRunDataSource,
    CreateEvalResponsesRunDataSource,
    RunDataSource,
)

SampledDataSource = CreateEvalCompletionsRunDataSource | CreateEvalResponsesRunDataSource
"""The data sources that may ask a model for samples."""

_ROWS = "content"


class DataSource(Document[RunDataSource]):
    """The `data_source` of a run; inline rows are in the run's blob and not here."""

    __slots__ = ()
    _models = TypeAdapter(RunDataSource, config=ConfigDict(defer_build=True))

    @property
    def sampled(self) -> SampledDataSource | None:
        """Return the document if it asks a model for samples; None if rows are taken as they are."""
        match self.parsed:
            case CreateEvalCompletionsRunDataSource() | CreateEvalResponsesRunDataSource() as found:
                return None if found.model is None else found
            case _:
                return None

    @property
    def sampling_params(self) -> JsonObject:
        """Return the sampling parameters as they were written, even if the document does not parse."""
        return _object_in(self.json, "sampling_params")

    @property
    def tools(self) -> list[JsonValue]:
        """Return the tools among the sampling parameters as they were written."""
        tools = self.sampling_params.get("tools")
        return tools if isinstance(tools, list) else []

    def with_tools(self, tools: list[JsonValue]) -> "DataSource":
        """Return the document with other tools in its sampling parameters."""
        return DataSource({**self.json, "sampling_params": {**self.sampling_params, "tools": tools}})

    def with_rows(self, rows: JsonValue) -> "DataSource":
        """Return the document with these inline rows, if its source may have any."""
        source = _object_in(self.json, "source")
        return DataSource({**self.json, "source": {**source, _ROWS: rows}}) if _ROWS in source else self

    def text_with_rows(self, rows: str) -> str:
        """Return the JSON text with this text in the place of its inline rows, if its source may have any."""
        source = _object_in(self.json, "source")
        if _ROWS not in source:
            return self.text
        return _text_with(self.json, "source", _text_with(source, _ROWS, rows))

    def without_rows(self) -> "DataSource":
        """Return the document without the key of its inline rows, if its source has it."""
        source = _object_in(self.json, "source")
        if _ROWS not in source:
            return self
        return DataSource({**self.json, "source": {key: value for key, value in source.items() if key != _ROWS}})


def _text_with(document: JsonObject, key: str, text: str) -> str:
    """Return the JSON text of an object with this text in the place of one of its values."""
    members = (
        f"{jsontext.render(name)}:{text if name == key else jsontext.render(value)}" for name, value in document.items()
    )
    return f"{{{','.join(members)}}}"


def _object_in(document: JsonObject, key: str) -> JsonObject:
    value = document.get(key)
    return value if isinstance(value, dict) else {}
