"""Facts about an archive under way: what a kill leaves, what is kept, what is tried again."""

import json
from pathlib import Path

import httpx2
import pytest

from evalhaven.domain.clock import Clock
from evalhaven.importers.archive import Archive, ArchiveError
from evalhaven.importers.hosted.account import Account
from evalhaven.importers.hosted.client import HostedClient
from evalhaven.importers.hosted.export import Exporter
from evalhaven.importers.hosted.filters import Filters
from evalhaven.importers.hosted.parts import PartWriter
from evalhaven.importers.hosted.workspace import Workspace


def open_workspace(directory: Path, **filters: object) -> Workspace:
    return Workspace(directory, "https://hosted.example/v1", filters, Clock())


def page_of(*ids: str) -> bytes:
    return json.dumps({"object": "list", "data": [{"id": each} for each in ids], "has_more": False}).encode()


def write_runs(workspace: Workspace, *pages: bytes, unwanted: tuple[str, ...] = ()) -> None:
    with workspace.open_part("runs", "eval_1") as part:
        for page in pages:
            part.append(page)
        workspace.finish_list(part, "runs", "eval_1", unwanted)


def runs_of(directory: Path) -> list[str]:
    return [json.loads(raw)["id"] for raw in Archive.open(directory).runs("eval_1")]


def test_unit_journalled_but_not_renamed_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = open_workspace(tmp_path)
    write_runs(workspace, page_of("a"))
    workspace.close(is_ended=True)
    workspace = open_workspace(tmp_path)
    manifest = (tmp_path / "manifest.json").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(PartWriter, "commit", do_nothing)
        write_runs(workspace, page_of("a", "b"))
    journal = (tmp_path / "journal.jsonl").read_bytes()
    workspace.close(is_ended=False)
    (tmp_path / "manifest.json").write_bytes(manifest)
    (tmp_path / "journal.jsonl").write_bytes(journal)

    open_workspace(tmp_path).close(is_ended=True)

    assert b'"objects":2' in journal
    assert runs_of(tmp_path) == ["a"]
    assert list(Archive.open(tmp_path).verify()) == []


def do_nothing(_part: PartWriter) -> None:
    """Stand for a kill before the unit gets its name."""


def test_journal_takes_the_place_of_a_manifest_that_was_not_written(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    at_start = (tmp_path / "manifest.json").read_bytes()
    write_runs(workspace, page_of("a", "b"))
    journal = (tmp_path / "journal.jsonl").read_bytes()
    workspace.close(is_ended=True)
    (tmp_path / "manifest.json").write_bytes(at_start)
    (tmp_path / "journal.jsonl").write_bytes(journal + journal[:20])

    workspace = open_workspace(tmp_path)
    workspace.close(is_ended=True)

    assert runs_of(tmp_path) == ["a", "b"]


def test_lists_keep_what_they_held_and_the_file_of_an_equal_list(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    write_runs(workspace, page_of("a", "b", "c"), unwanted=("b",))
    workspace.close(is_ended=True)
    assert runs_of(tmp_path) == ["a", "c"]
    workspace = open_workspace(tmp_path)
    write_runs(workspace, page_of("b", "d"), unwanted=("d",))
    workspace.close(is_ended=True)
    assert sorted(runs_of(tmp_path)) == ["a", "b", "c"]
    before = (tmp_path / "runs" / "eval_1.jsonl.gz").stat()
    workspace = open_workspace(tmp_path)
    write_runs(workspace, page_of("b"), page_of("d"), unwanted=("b", "d"))
    workspace.close(is_ended=True)

    assert sorted(runs_of(tmp_path)) == ["a", "b", "c"]
    assert (tmp_path / "runs" / "eval_1.jsonl.gz").stat() == before
    assert list(Archive.open(tmp_path).verify()) == []


def write_items(workspace: Workspace, *ids: str, final: bool = True, total: int = 0) -> int:
    with workspace.open_part("output_items", "run_1") as part:
        part.append(page_of(*ids))
        return workspace.finish_items(part, "run_1", final=final, total=total)


def test_items_that_are_no_longer_listed_are_kept(tmp_path: Path) -> None:
    for ids, final in ((("a", "b"), False), (("b", "c"), True)):
        workspace = open_workspace(tmp_path)
        write_items(workspace, *ids, final=final)
        manifest = workspace.close(is_ended=True)

    items = [json.loads(raw)["id"] for raw in Archive.open(tmp_path).output_items("run_1")]
    assert sorted(items) == ["a", "b", "c"]
    assert [note.message for note in manifest.notes] == ["1 item is no longer listed, and kept"]


def test_items_that_came_twice_do_not_make_a_run_whole(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    assert write_items(workspace, "a", "b", "b", total=3) == 2
    assert not workspace.has_final("output_items", "run_1")
    assert write_items(workspace, "a", "b", "c", total=3) == 3
    assert workspace.has_final("output_items", "run_1")
    workspace.close(is_ended=True)


def test_failure_stays_until_it_is_settled(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    workspace.fail("output_items", "run_1", 500, "down")
    workspace.fail("runs", "eval_1", 500, "down")
    workspace.fail("evals", "eval_2", 404, "gone")
    write_runs(workspace, page_of("a"))
    workspace.close(is_ended=True)
    assert len(open_and_close(tmp_path)) == 3
    workspace = open_workspace(tmp_path)
    write_items(workspace, "a")
    workspace.settle("runs", "eval_1")
    workspace.settle("evals", None)

    assert workspace.close(is_ended=True).failures == []


def test_archive_is_its_owners_alone(tmp_path: Path) -> None:
    open_and_close(tmp_path / "archive")

    assert (tmp_path / "archive").stat().st_mode & 0o077 == 0


def open_and_close(directory: Path, **filters: object) -> list[object]:
    return list(open_workspace(directory, **filters).close(is_ended=True).failures)


def test_files_that_are_not_the_archives_are_left_alone(tmp_path: Path) -> None:
    letter = tmp_path / "letters" / "mine.draft"
    letter.parent.mkdir()
    letter.write_text("dear")
    open_and_close(tmp_path)
    open_and_close(tmp_path)

    assert letter.read_text() == "dear"


def test_altered_archive_is_noticed(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    write_runs(workspace, page_of("a"))
    workspace.close(is_ended=True)
    path = tmp_path / "runs" / "eval_1.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-1])

    assert list(Archive.open(tmp_path).verify()) == ["runs/eval_1.jsonl.gz is not what was exported: its hash differs"]
    with pytest.raises(ArchiveError, match="damaged"):
        runs_of(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format":"evalhaven-archive","version":2,"base_url":"","started_at":0}')
    with pytest.raises(ArchiveError, match="this release reads"):
        Archive.open(tmp_path)
    with pytest.raises(ArchiveError, match="does not hold an archive"):
        Archive.open(tmp_path / "runs")


async def test_key_that_is_refused_on_the_way_ends_the_export(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.path)
        if request.url.path.endswith("/evals"):
            return httpx2.Response(200, content=page_of(*map(str, range(50))))
        return httpx2.Response(404 if len(asked) == 2 else 401)

    account = Account(base_url="http://hosted/v1", headers={}, query={}, secrets=(), concurrency=1)
    workspace = open_workspace(tmp_path)
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http:
        exporter = Exporter(HostedClient(account, http), workspace, Filters(), Silence())
        with pytest.raises(ExceptionGroup):
            await exporter.run(all_files=False)
    workspace.close(is_ended=False)

    assert len(asked) == 3


class Silence:
    """Is told how far the export has come, and prints nothing."""

    def begin(self, what: str, total: int | None) -> None: ...

    def advance(self, count: int) -> None: ...
