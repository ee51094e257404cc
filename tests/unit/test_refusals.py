"""Facts about what is refused because it would cost too much or destroy something."""

from pathlib import Path
from typing import cast

import pytest

from evalhaven.app.stores import StartError, blob_store
from evalhaven.app.upgrade import upgraded_database
from evalhaven.domain.errors import RequestTooLargeError
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.template_checks import MAX_CAUTIONS, criteria_cautions
from evalhaven.domain.templates import TemplateTooLargeError, parse_template
from evalhaven.graders.string_check import StringCheck
from evalhaven.runs import inline
from evalhaven.settings import Settings
from evalhaven.wire.graders import GraderStringCheck

CLOSED = {"type": "object", "properties": {f"field{n}": {} for n in range(5000)}, "additionalProperties": False}


def test_files_without_their_database_are_not_taken_for_orphans(tmp_path: Path) -> None:
    blobs = blob_store(tmp_path)
    with blobs.writer() as writer:
        writer.write(b"{}\n")
        blobs.commit(writer, "file-abc")

    with pytest.raises(StartError, match="holds files but no database"):
        upgraded_database(Settings.model_validate({"data_dir": tmp_path}))

    assert blobs.path("file-abc").exists()
    assert not (tmp_path / "evalhaven.db").exists()


def test_a_new_data_directory_needs_no_database(tmp_path: Path) -> None:
    blob_store(tmp_path)

    assert upgraded_database(Settings.model_validate({"data_dir": tmp_path})).database == str(tmp_path / "evalhaven.db")


def test_a_template_that_repeats_a_large_value_is_not_rendered() -> None:
    template = parse_template("{{ item.a }}" * 40)

    with pytest.raises(TemplateTooLargeError):
        template.render({"item": {"a": "x" * 1024 * 1024}})


async def test_such_a_criterion_is_an_error_of_the_grade_not_a_zero() -> None:
    grader = StringCheck(
        GraderStringCheck(type="string_check", name="a", input="{{ item.a }}" * 40, reference="", operation="eq")
    )

    grade = await grader.grade({"item": {"a": "x" * 1024 * 1024}})

    assert grade.error is not None
    assert (grade.error.code, grade.error.origin) == ("template_too_large", "template")


def test_warnings_do_not_multiply() -> None:
    criteria = [{"type": "string_check", "input": "{{ item.zz }}" * 3000, "reference": ""}]

    cautions = criteria_cautions(cast("JsonValue", criteria), cast("JsonValue", CLOSED))

    assert len(cautions) == MAX_CAUTIONS + 1
    assert max(len(caution.message) for caution in cautions) < 1000
    assert "more warnings" in cautions[-1].message


def test_a_large_body_must_be_large_by_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inline, "MAX_DOCUMENT_BYTES", 200)
    rows = b",".join([b'{"item":{}}'] * 100)

    taken = inline.take_apart(b'{"data_source":{"source":{"content":[%b]}}}' % rows)

    assert taken.rows is not None
    with pytest.raises(RequestTooLargeError):
        inline.take_apart(b'{"data_source":{"source":{"id":"file-a"}},"more":[%b]}' % rows)
