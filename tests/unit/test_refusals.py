"""Facts about what is refused because it would cost too much or destroy something."""

import shutil
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from evalhaven.app.stores import StartError, blob_store
from evalhaven.app.upgrade import upgraded_database
from evalhaven.domain.errors import RequestTooLargeError
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.domain.template_checks import MAX_CAUTIONS, criteria_cautions
from evalhaven.domain.templates import TemplateTooLargeError, parse_template
from evalhaven.graders.string_check import StringCheck
from evalhaven.runs.accepting import inline
from evalhaven.runs.ending.purge import sweep_blobs
from evalhaven.settings import Settings
from evalhaven.storage.blobs import BlobStore
from evalhaven.storage.database import sqlite_url
from evalhaven.storage.schema import upgrade_database
from evalhaven.wire.graders import GraderStringCheck
from tests.unit.storage.stored import blob_path, opened, store_file
from tests.unit.written import criteria_of

CLOSED = {"type": "object", "properties": {f"field{n}": {} for n in range(5000)}, "additionalProperties": False}


def settings_of(data_dir: Path) -> Settings:
    return Settings.model_validate({"data_dir": data_dir})


def test_files_without_their_database_are_not_taken_for_orphans(tmp_path: Path) -> None:
    blobs = blob_store(settings_of(tmp_path))
    with blobs.writer() as writer:
        writer.write(b"{}\n")
        writer.commit(DEFAULT_PROJECT, "file-abc")

    with pytest.raises(StartError, match="holds files but no database"):
        upgraded_database(settings_of(tmp_path))

    assert blob_path(blobs, "file-abc").exists()
    assert not (tmp_path / "evalhaven.db").exists()


@pytest.mark.parametrize("left", [b"", b"\0" * 4096])
def test_an_emptied_database_does_not_cost_the_files(tmp_path: Path, left: bytes) -> None:
    blobs = blob_store(settings_of(tmp_path))
    settings = settings_of(tmp_path)
    upgraded_database(settings)
    add_blob(blobs, "file-abc")
    (tmp_path / "evalhaven.db").write_bytes(left)

    for _ in range(2):
        with pytest.raises(StartError, match="evalhaven.db is empty" if not left else "cannot be opened"):
            upgraded_database(settings)
    assert (tmp_path / "evalhaven.db").read_bytes() == left
    assert blob_path(blobs, "file-abc").exists()


def test_a_database_made_anew_beside_old_files_is_refused(tmp_path: Path) -> None:
    blobs = blob_store(settings_of(tmp_path))
    settings = settings_of(tmp_path)
    upgraded_database(settings)
    add_blob(blobs, "file-abc")
    other = tmp_path / "other"
    other.mkdir()
    upgraded_database(Settings.model_validate({"data_dir": other}))

    # Another installation's database, empty of rows or not.
    shutil.copy(other / "evalhaven.db", tmp_path / "evalhaven.db")
    with pytest.raises(StartError, match="belongs to another data directory"):
        upgraded_database(settings)
    # One that was made without files and never paired.
    blobs.identity_path.unlink()
    (tmp_path / "evalhaven.db").unlink()
    upgrade_database(sqlite_url(tmp_path / "evalhaven.db"))
    with pytest.raises(StartError, match="the database knows none of them"):
        upgraded_database(settings)
    assert blob_path(blobs, "file-abc").exists()


async def test_a_database_of_the_release_before_is_paired_with_the_files_beside_it(tmp_path: Path) -> None:
    blobs = blob_store(settings_of(tmp_path))
    url = sqlite_url(tmp_path / "evalhaven.db")
    upgrade_database(url)
    async with opened(url) as database:
        file = await store_file(database)
    add_blob(blobs, file.id)
    settings = settings_of(tmp_path)
    upgraded_database(settings)
    identity = blobs.identity()
    upgraded_database(settings)

    assert identity is not None
    assert blobs.identity() == identity


@pytest.mark.parametrize("is_killed", [False, True])
async def test_files_of_a_release_without_projects_are_found_at_the_next_start(
    tmp_path: Path, is_killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = blob_store(settings_of(tmp_path))
    settings = settings_of(tmp_path)
    async with opened(upgraded_database(settings)) as database:
        file = await store_file(database)
    (blobs.directory / file.id).write_bytes(b"{}\n")
    (blobs.directory / "file-orphan").write_bytes(b"{}\n")
    (blobs.directory / "unnamed" / "file-orphan").touch()
    if is_killed:
        monkeypatch.setattr(blobs.__class__, "move_into_projects", dying_move)
        with pytest.raises(KeyboardInterrupt):
            upgraded_database(settings)
        monkeypatch.undo()
    async with opened(upgraded_database(settings)) as database:
        await sweep_blobs(database, blobs)

    assert blob_path(blobs, file.id).read_bytes() == b"{}\n"
    assert [(scope, names) for scope, names in blobs.names(9)] == [(DEFAULT_PROJECT, [file.id])]


def dying_move(_blobs: BlobStore) -> list[str]:
    raise KeyboardInterrupt


def test_a_file_whose_new_place_is_taken_is_left_and_reported(tmp_path: Path) -> None:
    blobs = blob_store(settings_of(tmp_path))
    settings = settings_of(tmp_path)
    upgraded_database(settings)
    add_blob(blobs, "file-abc")
    (blobs.directory / "file-abc").write_bytes(b"other")
    with capture_logs() as logs:
        upgraded_database(settings)

    assert [(told["event"], told["count"], told["such_as"]) for told in logs] == [
        ("files_left_in_blobs", 1, "file-abc")
    ]
    assert (blobs.directory / "file-abc").read_bytes() == b"other"


def add_blob(blobs: BlobStore, name: str) -> None:
    with blobs.writer() as writer:
        writer.write(b"{}\n")
        writer.commit(DEFAULT_PROJECT, name)


def test_a_new_data_directory_needs_no_database(tmp_path: Path) -> None:
    blob_store(settings_of(tmp_path))

    assert upgraded_database(settings_of(tmp_path)).database == str(tmp_path / "evalhaven.db")


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
    check = {"type": "string_check", "name": "n", "input": "{{ item.zz }}" * 3000, "reference": "", "operation": "eq"}

    cautions = criteria_cautions(criteria_of([check]), cast("JsonValue", CLOSED))

    assert len(cautions) == MAX_CAUTIONS + 1
    assert max(len(caution.message) for caution in cautions) < 1000
    assert "more warnings" in cautions[-1].message


def test_a_large_body_must_be_large_by_its_rows() -> None:
    rows = b'{"item":{"a":"%b"}}' % (b"x" * inline.MAX_DOCUMENT_BYTES)

    taken = inline.take_apart(b'{"data_source":{"source":{"content":[%b]}}}' % rows)

    assert taken.rows is not None
    with pytest.raises(RequestTooLargeError):
        inline.take_apart(b'{"data_source":{"source":{"id":"file-a"}},"more":[%b]}' % rows)
