"""Facts about blobs: whole or not there at all."""

import json
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from evalhaven.domain.errors import DamagedFileError
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.blobs import json_array_blocks, length_of
from evalhaven.storage.local_blobs import LocalBlobStore
from evalhaven.storage.spool import open_spool
from tests.unit.storage.stored import OTHER_PROJECT as OTHER
from tests.unit.storage.stored import blob_path


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobStore:
    """Return an empty blob store."""
    return LocalBlobStore(tmp_path / "blobs")


def list_names(blobs: LocalBlobStore) -> set[str]:
    """Return the names of all blobs."""
    return {name for _, batch in blobs.names(at_once=2) for name in batch}


def list_parts(tmp_path: Path) -> list[Path]:
    """Return what is left of blobs that were being written."""
    return list((tmp_path / "blobs" / "parts").iterdir())


def test_a_blob_appears_whole_when_it_is_committed(blobs: LocalBlobStore, tmp_path: Path) -> None:
    with blobs.writer() as writer:
        writer.write(b"one ")
        writer.write(bytearray(b"two"))
        assert list_names(blobs) == set()
        writer.commit(SCOPE, "file-1")
    with blobs.open(SCOPE, "file-1") as file:
        assert file.read() == b"one two"

    assert writer.size_bytes == 7
    assert list_names(blobs) == {"file-1"}
    assert list_parts(tmp_path) == []


def test_a_blob_that_is_not_committed_never_appears(blobs: LocalBlobStore, tmp_path: Path) -> None:
    with blobs.writer() as writer:
        writer.write(b"bytes")

    assert list_names(blobs) == set()
    assert list_parts(tmp_path) == []


def test_a_blob_that_cannot_be_committed_leaves_nothing(blobs: LocalBlobStore, tmp_path: Path) -> None:
    blob_path(blobs, "taken").mkdir()
    with blobs.writer() as writer:
        writer.write(b"bytes")
        with pytest.raises(OSError, match="directory"):
            writer.commit(SCOPE, "taken")

    assert list_names(blobs) == set()
    assert list_parts(tmp_path) == []


def test_a_full_disk_gets_its_space_back(blobs: LocalBlobStore, tmp_path: Path) -> None:
    with blobs.writer() as writer:
        writer._file.close()
        writer._file = Path("/dev/full").open("wb")  # noqa: SIM115 - the writer closes it
        writer.write(b"bytes")
        with pytest.raises(OSError, match="No space left"):
            writer.commit(SCOPE, "file-1")

    assert list_names(blobs) == set()
    assert list_parts(tmp_path) == []


def test_blobs_written_at_once_do_not_meet(blobs: LocalBlobStore) -> None:
    with blobs.writer() as one, blobs.writer() as other:
        one.write(b"1")
        other.write(b"2")
        one.commit(SCOPE, "one")
        other.commit(SCOPE, "other")

    assert (blob_path(blobs, "one").read_bytes(), blob_path(blobs, "other").read_bytes()) == (b"1", b"2")


def test_what_is_spooled_can_be_read_after_it_was_dropped_and_leaves_nothing(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        spool.write(b"by")
        spool.write(b"tes")
        mapped = spool.mapped()
        assert list(tmp_path.iterdir()) == []

    assert spool.size_bytes == 5
    with mapped:
        assert mapped[:] == b"bytes"


def test_a_spool_on_a_full_disk_is_dropped_all_the_same(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        spool._file.close()
        spool._file = Path("/dev/full").open("w+b")  # noqa: SIM115 - the spool closes it
        spool.write(b"bytes")

    assert spool._file.closed


def write_blob(blobs: LocalBlobStore, scope: ProjectScope, name: str, content: bytes) -> None:
    """Write a blob whose row is stored."""
    with blobs.writer() as writer:
        writer.write(content)
        writer.commit(scope, name)
    blobs.confirm(scope, name)


def test_two_projects_have_blobs_of_the_same_name(blobs: LocalBlobStore) -> None:
    write_blob(blobs, SCOPE, "file-1", b"mine")
    write_blob(blobs, OTHER, "file-1", b"theirs")
    assert sorted(blobs.names(9), key=str) == [(SCOPE, ["file-1"]), (OTHER, ["file-1"])]
    with pytest.raises(ZeroDivisionError), blobs.kept_on_success(OTHER, "file-1"):
        _ = 1 / 0

    with blobs.open(SCOPE, "file-1") as blob:
        assert blob.read() == b"mine"
    with pytest.raises(FileNotFoundError):
        blobs.open(OTHER, "file-1")


def test_a_mark_belongs_to_the_blob_of_its_project(blobs: LocalBlobStore) -> None:
    for scope in (SCOPE, OTHER):
        with blobs.writer() as writer:
            writer.write(b"x")
            writer.commit(scope, "file-1")
    blobs.confirm(SCOPE, "file-1")

    assert list(blobs.unnamed(9)) == [(OTHER, ["file-1"])]


@pytest.mark.parametrize("name", ["parts", "unnamed", "1"])
def test_a_blob_may_have_any_name(blobs: LocalBlobStore, name: str) -> None:
    write_blob(blobs, SCOPE, name, b"x")
    blobs.drop_parts()

    assert list(blobs.names(9)) == [(SCOPE, [name])]


def test_a_blob_is_read_from_any_place_on(blobs: LocalBlobStore) -> None:
    write_blob(blobs, SCOPE, "file-1", b"one\ntwo\nthree")
    with blobs.open_whole(SCOPE, "file-1", 13) as blob:
        assert length_of(blob) == 13
        assert blob.seek(4) == 4
        assert blob.readline(99) == b"two\n"
        assert blob.readline(3) == b"thr"
        assert blob.read(99) == b"ee"
        assert blob.read(99) == b""


@pytest.mark.parametrize("accepted_bytes", [12, 14])
def test_a_blob_of_another_length_than_accepted_is_not_opened(blobs: LocalBlobStore, accepted_bytes: int) -> None:
    write_blob(blobs, SCOPE, "file-1", b"one\ntwo\nthree")
    with pytest.raises(DamagedFileError, match="has 13 bytes"):
        blobs.open_whole(SCOPE, "file-1", accepted_bytes)
    with pytest.raises(DamagedFileError, match="is gone"):
        blobs.open_whole(SCOPE, "file-2", accepted_bytes)


def write_flat(blobs: LocalBlobStore, name: str, *, is_marked: bool = False) -> None:
    """Put a blob where a release without projects kept it."""
    (blobs.directory / name).write_bytes(name.encode())
    if is_marked:
        (blobs.directory / "unnamed" / name).touch()


def test_blobs_of_a_release_without_projects_are_those_of_the_one_project(blobs: LocalBlobStore) -> None:
    assert blobs.is_empty()
    blobs.save_identity("i")
    assert blobs.is_empty()
    write_flat(blobs, "file-1")
    write_flat(blobs, "evalrun_1", is_marked=True)
    write_flat(blobs, "1234")
    assert not blobs.is_empty()
    for _ in range(2):
        assert blobs.move_into_projects() == []

    assert blobs.identity() == "i"
    assert not blobs.is_empty()
    assert [(scope, sorted(names)) for scope, names in blobs.names(9)] == [(SCOPE, ["1234", "evalrun_1", "file-1"])]
    assert list(blobs.unnamed(9)) == [(SCOPE, ["evalrun_1"])]
    with blobs.open(SCOPE, "file-1") as blob:
        assert blob.read() == b"file-1"


@pytest.mark.parametrize("moves", range(5))
def test_a_move_that_is_cut_short_is_gone_on_with_and_loses_neither_blob_nor_mark(
    blobs: LocalBlobStore, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    for number in range(3):
        write_flat(blobs, f"file-{number}", is_marked=number != 1)
    made = 0
    rename = Path.rename

    def dying_rename(path: Path, target: Path) -> Path:
        nonlocal made
        if made == moves:
            raise KeyboardInterrupt
        made += 1
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", dying_rename)
    with pytest.raises(KeyboardInterrupt):
        blobs.move_into_projects()
    monkeypatch.undo()
    assert not blobs.is_empty()
    assert blobs.move_into_projects() == []

    assert [(scope, sorted(names)) for scope, names in blobs.names(9)] == [(SCOPE, ["file-0", "file-1", "file-2"])]
    assert [(scope, sorted(names)) for scope, names in blobs.unnamed(9)] == [(SCOPE, ["file-0", "file-2"])]


def test_a_move_replaces_no_blob(blobs: LocalBlobStore) -> None:
    write_blob(blobs, SCOPE, "file-1", b"here")
    write_flat(blobs, "file-1")
    write_flat(blobs, "file-2")
    assert blobs.move_into_projects() == ["file-1"]

    assert (blobs.directory / "file-1").read_bytes() == b"file-1"
    with blobs.open(SCOPE, "file-1") as blob:
        assert blob.read() == b"here"


def test_a_blob_that_is_gone_can_be_deleted_but_not_opened(blobs: LocalBlobStore) -> None:
    blobs.delete(SCOPE, "file-1")
    with pytest.raises(FileNotFoundError):
        blobs.open(SCOPE, "file-1")


def test_a_blob_is_deleted_again_when_the_row_that_names_it_cannot_be_stored(blobs: LocalBlobStore) -> None:
    for name in ("kept", "dropped"):
        blob_path(blobs, name).write_bytes(b"x")
    with blobs.kept_on_success(SCOPE, "kept"):
        pass
    with pytest.raises(ZeroDivisionError), blobs.kept_on_success(SCOPE, "dropped"):
        _ = 1 / 0

    assert list_names(blobs) == {"kept"}


def test_a_blob_is_marked_until_a_row_names_it(blobs: LocalBlobStore) -> None:
    for name in ("file-1", "file-2", "file-3"):
        with blobs.writer() as writer:
            writer.write(b"x")
            writer.commit(SCOPE, name)
    with blobs.kept_on_success(SCOPE, "file-1"):
        assert sorted(name for _, batch in blobs.unnamed(2) for name in batch) == ["file-1", "file-2", "file-3"]
    with pytest.raises(ZeroDivisionError), blobs.kept_on_success(SCOPE, "file-2"):
        _ = 1 / 0

    assert list(blobs.unnamed(2)) == [(SCOPE, ["file-3"])]
    assert list_names(blobs) == {"file-1", "file-3"}


def test_a_blob_stays_when_the_row_that_names_it_may_have_been_stored(blobs: LocalBlobStore) -> None:
    with blobs.writer() as writer:
        writer.write(b"x")
        writer.commit(SCOPE, "file-1")
    lost = OperationalError("COMMIT", {}, Exception("server closed the connection"), connection_invalidated=True)
    with pytest.raises(OperationalError), blobs.kept_on_success(SCOPE, "file-1"):
        raise lost

    assert list_names(blobs) == {"file-1"}
    assert list(blobs.unnamed(2)) == [(SCOPE, ["file-1"])]


def test_parts_of_uploads_that_were_cut_short_are_dropped(blobs: LocalBlobStore, tmp_path: Path) -> None:
    (tmp_path / "blobs" / "parts" / "left").write_bytes(b"half")
    blob_path(blobs, "file-1").write_bytes(b"x")
    blobs.drop_parts()

    assert list_parts(tmp_path) == []
    assert list_names(blobs) == {"file-1"}


def test_names_come_in_batches(blobs: LocalBlobStore) -> None:
    for number in range(5):
        blob_path(blobs, f"file-{number}").write_bytes(b"")

    assert sorted(len(batch) for _, batch in blobs.names(at_once=2)) == [1, 2, 2]


@pytest.mark.parametrize("rows", [[], [{"item": {}}], [{"a": "x\\n"}, {"b": 2}, {}]])
def test_rows_are_shown_as_one_array(rows: list[object]) -> None:
    blob = "".join(f"{json.dumps(row)}\n" for row in rows).encode()

    assert json.loads(b"".join(json_array_blocks(BytesIO(blob)))) == rows
