"""Facts about blobs: whole or not there at all."""

import json
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from evalhaven.storage.blobs import BlobStore, json_array_blocks


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    """Return an empty blob store."""
    return BlobStore(tmp_path / "blobs")


def list_names(blobs: BlobStore) -> set[str]:
    """Return the names of all blobs."""
    return {name for batch in blobs.names(at_once=2) for name in batch}


def list_parts(tmp_path: Path) -> list[Path]:
    """Return what is left of blobs that were being written."""
    return list((tmp_path / "blobs" / "parts").iterdir())


def test_a_blob_appears_whole_when_it_is_committed(blobs: BlobStore, tmp_path: Path) -> None:
    with blobs.writer() as writer:
        writer.write(b"one ")
        writer.write(bytearray(b"two"))
        assert list_names(blobs) == set()
        blobs.commit(writer, "file-1")
    with blobs.open("file-1") as file:
        assert file.read() == b"one two"

    assert writer.size_bytes == 7
    assert list_names(blobs) == {"file-1"}
    assert list_parts(tmp_path) == []


def test_a_blob_that_is_not_committed_never_appears(blobs: BlobStore, tmp_path: Path) -> None:
    with blobs.writer() as writer:
        writer.write(b"bytes")

    assert list_names(blobs) == set()
    assert list_parts(tmp_path) == []


def test_a_blob_that_cannot_be_committed_leaves_nothing(blobs: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "blobs" / "taken").mkdir()
    with blobs.writer() as writer:
        writer.write(b"bytes")
        with pytest.raises(OSError, match="directory"):
            blobs.commit(writer, "taken")

    assert list_names(blobs) == set()
    assert list_parts(tmp_path) == []


def test_a_full_disk_gets_its_space_back(blobs: BlobStore, tmp_path: Path) -> None:
    with blobs.writer() as writer:
        writer._file.close()
        writer._file = Path("/dev/full").open("wb")  # noqa: SIM115 - the writer closes it
        writer.write(b"bytes")
        with pytest.raises(OSError, match="No space left"):
            blobs.commit(writer, "file-1")

    assert list_names(blobs) == set()
    assert list_parts(tmp_path) == []


def test_blobs_written_at_once_do_not_meet(blobs: BlobStore) -> None:
    with blobs.writer() as one, blobs.writer() as other:
        one.write(b"1")
        other.write(b"2")
        blobs.commit(one, "one")
        blobs.commit(other, "other")

    assert (blobs.path("one").read_bytes(), blobs.path("other").read_bytes()) == (b"1", b"2")


def test_what_is_mapped_can_be_read_after_it_was_dropped(blobs: BlobStore) -> None:
    with blobs.writer() as writer:
        writer.write(b"bytes")
        mapped = writer.mapped()

    with mapped:
        assert mapped[:] == b"bytes"


def test_a_blob_that_is_gone_can_be_deleted_but_not_opened(blobs: BlobStore) -> None:
    blobs.delete("file-1")
    with pytest.raises(FileNotFoundError):
        blobs.open("file-1")


def test_a_blob_is_deleted_again_when_the_row_that_names_it_cannot_be_stored(blobs: BlobStore) -> None:
    for name in ("kept", "dropped"):
        blobs.path(name).write_bytes(b"x")
    with blobs.kept_on_success("kept"):
        pass
    with pytest.raises(ZeroDivisionError), blobs.kept_on_success("dropped"):
        _ = 1 / 0

    assert list_names(blobs) == {"kept"}


def test_a_blob_is_marked_until_a_row_names_it(blobs: BlobStore) -> None:
    for name in ("file-1", "file-2", "file-3"):
        with blobs.writer() as writer:
            writer.write(b"x")
            blobs.commit(writer, name)
    with blobs.kept_on_success("file-1"):
        assert sorted(name for batch in blobs.unnamed(2) for name in batch) == ["file-1", "file-2", "file-3"]
    with pytest.raises(ZeroDivisionError), blobs.kept_on_success("file-2"):
        _ = 1 / 0

    assert list(blobs.unnamed(2)) == [["file-3"]]
    assert list_names(blobs) == {"file-1", "file-3"}


def test_a_blob_stays_when_the_row_that_names_it_may_have_been_stored(blobs: BlobStore) -> None:
    with blobs.writer() as writer:
        writer.write(b"x")
        blobs.commit(writer, "file-1")
    lost = OperationalError("COMMIT", {}, Exception("server closed the connection"), connection_invalidated=True)
    with pytest.raises(OperationalError), blobs.kept_on_success("file-1"):
        raise lost

    assert list_names(blobs) == {"file-1"}
    assert list(blobs.unnamed(2)) == [["file-1"]]


def test_parts_of_uploads_that_were_cut_short_are_dropped(blobs: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "blobs" / "parts" / "left").write_bytes(b"half")
    blobs.path("file-1").write_bytes(b"x")
    blobs.drop_parts()

    assert list_parts(tmp_path) == []
    assert list_names(blobs) == {"file-1"}


def test_names_come_in_batches(blobs: BlobStore) -> None:
    for number in range(5):
        blobs.path(f"file-{number}").write_bytes(b"")

    assert sorted(len(batch) for batch in blobs.names(at_once=2)) == [1, 2, 2]


@pytest.mark.parametrize("rows", [[], [{"item": {}}], [{"a": "x\\n"}, {"b": 2}, {}]])
def test_rows_are_shown_as_one_array(rows: list[object]) -> None:
    blob = "".join(f"{json.dumps(row)}\n" for row in rows).encode()

    assert json.loads(b"".join(json_array_blocks(BytesIO(blob)))) == rows
