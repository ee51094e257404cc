"""Facts about documents that users wrote: what is kept of them, when they are parsed, and what does not parse."""

from typing import Any

import pytest

from evalhaven.domain import documents
from evalhaven.domain.criteria import Criteria, Criterion
from evalhaven.domain.data_sources import DataSource
from evalhaven.domain.documents import Unparsed
from evalhaven.wire.data_sources import CreateEvalCompletionsRunDataSource, EvalJsonlFileContentSource
from evalhaven.wire.graders import EvalGraderStringCheck, EvalGraderTextSimilarity

ODD = (
    r'{"type": "completions","source":{"type":"file_content","content":[],"x":18446744073709551617},'
    r'"sampling_params":{"temperature":1,"top_p":1.0,"note":"\u0000\ud800"},"later":null}'
)
CHECK: dict[str, Any] = {
    "type": "string_check",
    "name": "n",
    "id": "n-1",
    "input": "",
    "reference": "",
    "operation": "eq",
}
FOREIGN: dict[str, Any] = {"type": "telepathy", "source": {"type": "file_content", "content": [1]}, "model": "m"}


def test_a_document_from_storage_is_its_text_and_says_what_its_json_says() -> None:
    document = DataSource(ODD)

    assert document.text is ODD
    assert document.json["source"] == {"type": "file_content", "content": [], "x": 2**64 + 1}
    assert list(document.json) == ["type", "source", "sampling_params", "later"]
    assert isinstance(document.parsed, CreateEvalCompletionsRunDataSource)
    assert isinstance(document.parsed.source, EvalJsonlFileContentSource)
    assert document.parsed is document.parsed


def test_each_part_of_a_parsed_document_knows_how_it_was_written() -> None:
    parsed = DataSource(ODD).parsed

    assert isinstance(parsed, CreateEvalCompletionsRunDataSource)
    assert parsed.sampling_params is not None
    assert parsed.sampling_params.temperature == 1.0
    assert repr(parsed.sampling_params.sent["temperature"]) == "1"
    assert parsed.source.sent == {"type": "file_content", "content": [], "x": 2**64 + 1}


def test_a_document_that_is_only_shown_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*_: object) -> None:
        raise AssertionError("nobody asked what it says")

    monkeypatch.setattr(documents, "parse_part", parse)
    criteria = Criteria([CHECK])

    assert DataSource(DataSource(ODD).json).without_rows().with_rows([]).tools == []
    assert (criteria[0].id, criteria[0].name, criteria[0].type) == ("n-1", "n", "string_check")
    assert Criteria(criteria.text) == criteria
    with pytest.raises(AssertionError):
        _ = criteria.parsed


def test_what_no_model_accepts_is_kept_whole_and_says_why_it_does_not_parse() -> None:
    source = DataSource(FOREIGN)

    assert source.parsed == Unparsed(
        "'type' must be one of 'jsonl', 'completions' or 'responses', but is a string: \"telepathy\"."
    )
    assert source.sampled is None
    assert source.json == FOREIGN
    assert source.with_rows([]).json == {**FOREIGN, "source": {"type": "file_content", "content": []}}
    assert DataSource({"source": 5}).with_rows([]).json == {"source": 5}


def test_criteria_are_parsed_one_by_one() -> None:
    alike = {**CHECK, "type": "text_similarity", "evaluation_metric": "bleu"}
    criteria = Criteria([CHECK, alike, {**alike, "pass_threshold": 1}])
    first, second, third = criteria.parsed

    assert isinstance(first, EvalGraderStringCheck)
    assert second == Unparsed("'pass_threshold' is required but missing.")
    assert isinstance(third, EvalGraderTextSimilarity)
    assert [each.type for each in criteria] == ["string_check", "text_similarity", "text_similarity"]
    assert criteria[1] == Criterion(alike)


@pytest.mark.parametrize(
    ("document", "model"),
    [
        ({"type": "jsonl", "model": "m"}, None),
        ({"type": "completions"}, None),
        ({"type": "responses", "model": "m", "input_messages": {"type": "template", "template": []}}, "m"),
    ],
)
def test_only_data_sources_of_models_are_sampled(document: dict[str, Any], model: str | None) -> None:
    sampled = DataSource({"source": {"type": "file_id", "id": "file-1"}, **document}).sampled

    assert (None if sampled is None else sampled.model) == model


def test_the_rows_of_a_source_are_replaced_or_left_out_and_nothing_else() -> None:
    document: dict[str, Any] = {"type": "jsonl", "source": {"type": "file_content", "content": [], "x": 1}}
    source = DataSource(document)

    assert source.with_rows("mark").json == {**document, "source": {"type": "file_content", "content": "mark", "x": 1}}
    assert source.without_rows().json == {**document, "source": {"type": "file_content", "x": 1}}
    assert source.json == document
    file = DataSource({"type": "jsonl", "source": {"type": "file_id", "id": "file-1"}})
    assert file.with_rows([]) is file.without_rows() is file
