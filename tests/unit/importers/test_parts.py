"""Facts about list units being written: what a kill leaves is whole up to its last page."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalhaven.importers.archive import read_objects
from evalhaven.importers.hosted.parts import PartWriter


def page_of(first: int, count: int, *, has_more: bool = True) -> bytes:
    objects = [{"id": f"outputitem_{n}", "n": n} for n in range(first, first + count)]
    return json.dumps({"object": "list", "data": objects, "has_more": has_more}, indent=1).encode()


def objects_of(path: Path) -> list[int]:
    return [json.loads(raw)["n"] for raw in read_objects(path)]


def test_part_cut_anywhere_in_its_last_page_goes_on_after_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "unit.jsonl.gz"
    with PartWriter(path, resume=True) as part:
        part.append(page_of(0, 3))
        part.append(page_of(3, 3))
        kept = part.part.stat().st_size
        part.append(page_of(6, 3, has_more=False))
    whole = part.part.read_bytes()

    for end in range(kept, len(whole) + 1):
        part.part.write_bytes(whole[:end])
        with PartWriter(path, resume=True) as resumed:
            is_whole = end == len(whole)
            assert resumed.objects == (9 if is_whole else 6)
            assert resumed.last_id == ("outputitem_8" if is_whole else "outputitem_5")
            assert resumed.is_ended is is_whole
            assert resumed.part.stat().st_size == (len(whole) if is_whole else kept)
            if not is_whole:
                resumed.append(page_of(6, 3, has_more=False))
        assert objects_of(part.part) == list(range(9))


@given(sizes=st.lists(st.integers(0, 5), max_size=5), junk=st.binary(max_size=40), cut=st.integers(0, 2000))
def test_whatever_follows_the_whole_pages_is_dropped(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], junk: bytes, cut: int
) -> None:
    path = tmp_path_factory.mktemp("part") / "unit.jsonl.gz"
    ends = [0]
    with PartWriter(path, resume=True) as part:
        for size in sizes:
            part.append(page_of(part.objects, size))
            ends.append(part.part.stat().st_size)
    part.part.write_bytes(part.part.read_bytes()[:cut] + (junk if cut >= ends[-1] else b""))

    with PartWriter(path, resume=True) as resumed:
        pages = max(n for n, end in enumerate(ends) if end <= cut)
        assert resumed.part.stat().st_size == ends[pages]
        assert objects_of(resumed.part) == list(range(sum(sizes[:pages])))


def test_page_that_is_no_json_counts_as_cut(tmp_path: Path) -> None:
    path = tmp_path / "unit.jsonl.gz"
    with PartWriter(path, resume=True) as part:
        part.append(page_of(0, 2))
    for damaged in (b'{"data":[', b'{"data":[]}', b'{"data":[]}\n\n', b""):
        with part.part.open("ab") as file:
            file.write(gzip.compress(damaged))
        with PartWriter(path, resume=True) as resumed:
            assert resumed.objects == 2


def test_draft_begins_empty(tmp_path: Path) -> None:
    path = tmp_path / "unit.jsonl.gz"
    with PartWriter(path, resume=False) as part:
        part.append(page_of(0, 2))
    with PartWriter(path, resume=False) as part:
        assert part.objects == 0
        part.append(page_of(5, 1))
        digest, size = part.seal()
        part.commit()

    assert objects_of(path) == [5]
    assert size == path.stat().st_size
    assert len(digest) == 64


def test_objects_that_come_twice_count_once(tmp_path: Path) -> None:
    path = tmp_path / "unit.jsonl.gz"
    with PartWriter(path, resume=True) as part:
        part.append(page_of(0, 6))
        part.append(page_of(4, 6))
    with PartWriter(path, resume=True) as part:
        assert (part.objects, part.count_distinct(at_once=3)) == (12, 10)
        part.restart()
        assert part.count_distinct() == 0
