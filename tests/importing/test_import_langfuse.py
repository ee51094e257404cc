"""`evalhaven import langfuse`: the files of the export script published for Langfuse."""

import json
from pathlib import Path

import httpx2
import pytest

from evalhaven.importers.langfuse import LangfuseSource
from evalhaven.importers.source import SourceError
from tests.importing.moving import Json, a_run, an_eval, an_item, canonical, run_import
from tests.server import Server

FILE_ID = "file-8rn4wHqWo14MaSFZAjC1S3"
ROWS = b'{"item": {"a": "x", "b": "x"}}\n'


def write_exports(directory: Path) -> list[Json]:
    """Write two files of the script's form, one pretty and one compact, and return what they hold."""
    found: list[Json] = []
    (directory / "files").mkdir(parents=True)
    (directory / "files" / f"{FILE_ID}.jsonl").write_bytes(ROWS)
    for number, indent in ((1, 2), (2, None)):
        parent = an_eval(number, extra={"unknown": [None, 2**66]})
        run = a_run(parent, number, (1, 1, 0))
        items = [an_item(run, 0), an_item(run, 1, "fail")]
        export = {"eval": parent, "rows": [{"item": {}}], "runs": [{"run": run, "output_items": items}]}
        (directory / f"{parent['id']}.json").write_text(json.dumps(export, indent=indent))
        found.append(export)
    return found


def test_evals_runs_items_and_files_come_over(tmp_path: Path) -> None:
    found = write_exports(tmp_path / "langfuse")
    with Server(tmp_path).running() as server:
        first = run_import("langfuse", tmp_path / "langfuse", "--data-dir", server.data_dir)
        again = run_import("langfuse", *sorted((tmp_path / "langfuse").glob("*.json")), "--url", server.url)
        for export in found:
            (each,) = export["runs"]
            path = f"{server.url}/v1/evals/{export['eval']['id']}"
            run_path = f"{path}/runs/{each['run']['id']}"
            assert canonical(httpx2.get(path).json()) == canonical(export["eval"])
            assert canonical(httpx2.get(run_path).json()) == canonical(each["run"])
            for item in each["output_items"]:
                assert canonical(httpx2.get(f"{run_path}/output_items/{item['id']}").json()) == canonical(item)
        assert httpx2.get(f"{server.url}/v1/files/{FILE_ID}/content").content == ROWS

    assert (first.status, again.status) == (0, 0), (first, again)
    assert first.counts == {"files": (1, 0, 0), "evals": (2, 0, 0), "runs": (2, 0, 0), "output items": (4, 0, 0)}
    assert again.counts == {"files": (0, 1, 0), "evals": (0, 2, 0), "runs": (0, 2, 0), "output items": (0, 4, 0)}


def test_dumps_of_the_sdk_are_understood(tmp_path: Path) -> None:
    parent = an_eval()
    config: Json = parent["data_source_config"]
    config["schema_"] = config.pop("schema")
    path = tmp_path / "eval.json"
    path.write_text(json.dumps({"eval": parent, "rows": [], "runs": []}))
    (found,) = map(json.loads, LangfuseSource.open([path]).evals())

    assert found == an_eval()


def test_runs_without_items_are_runs(tmp_path: Path) -> None:
    parent = an_eval()
    runs: list[Json] = [{"run": a_run(parent, 1)}, {"run": a_run(parent, 2), "output_items": None}]
    path = tmp_path / "eval.json"
    path.write_text(json.dumps({"eval": parent, "runs": runs}))
    source = LangfuseSource.open([path])

    assert [json.loads(each) for each in source.runs(parent["id"])] == [each["run"] for each in runs]
    assert [list(source.output_items(each["run"]["id"])) for each in runs] == [[], []]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is damaged"),
        ("[]", "is damaged"),
        ('{"eval": {}, "rows": []}', "is not of the form"),
        ('{"eval": {}, "runs": [{}]}', "has no 'run'"),
        ('{"eval": {"id": "eval_1"}, "runs": [{"run": {}}', "is damaged"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "eval.json"
    path.write_text(text)

    with pytest.raises(SourceError, match=reason):
        LangfuseSource.open([path])


def test_of_a_damaged_export_comes_what_is_whole(tmp_path: Path) -> None:
    directory = tmp_path / "langfuse"
    found = write_exports(directory)
    first = directory / f"{found[0]['eval']['id']}.json"
    first.write_bytes(first.read_bytes()[:-400])
    (directory / "notes.json").write_text("[]")
    outcome = run_import("langfuse", directory, "--data-dir", tmp_path / "data")

    assert outcome.status == 3, outcome
    assert outcome.counts == {"files": (1, 0, 0), "evals": (2, 0, 0), "runs": (2, 0, 0), "output items": (3, 0, 0)}
    assert f"{first} is damaged: the document ends too early" in outcome.out
    assert "notes.json is damaged: expected { at byte 0" in outcome.out


def test_any_cut_of_an_export_keeps_what_is_whole(tmp_path: Path) -> None:
    parent = an_eval()
    runs = [a_run(parent, 1), a_run(parent, 2)]
    items = [[an_item(run, 0, datasource_item={"t": 'a "quote", {and} [more]'}), an_item(run, 1)] for run in runs]
    held: list[Json] = [{"run": run, "output_items": found} for run, found in zip(runs, items, strict=True)]
    text = json.dumps({"eval": parent, "rows": [{"item": {}}], "runs": held})
    path = tmp_path / "eval.json"
    for end in range(text.index('"rows"'), len(text), 3):
        path.write_text(text[:end])
        try:
            source = LangfuseSource.open([path])
        except SourceError:
            assert end < text.index('"output_items"')
            continue
        assert source.damage.count >= 1
        (only,) = map(json.loads, source.evals())
        assert only == parent
        came = [json.loads(each) for each in source.runs(parent["id"])]
        assert came == runs[: len(came)]
        for run, whole in zip(came, items, strict=False):
            texts = list(source.output_items(run["id"]))
            good = [each for each in map(parsed, texts) if each is not None]
            assert good == whole[: len(good)]
        if end > text.rindex('"output_items"'):
            assert len(came) == 2


def parsed(raw: bytes) -> Json | None:
    try:
        return json.loads(raw)
    except ValueError:
        # The cut may be within a text with brackets and commas; the intake refuses what comes of that.
        return None


def test_what_is_not_a_run_is_skipped(tmp_path: Path) -> None:
    parent = an_eval()
    good = a_run(parent, 1)
    path = tmp_path / "eval.json"
    path.write_text(json.dumps({"eval": parent, "runs": [{}, {"run": 5}, {"run": {}}, {"run": good}, 7]}))
    source = LangfuseSource.open([path])

    assert [json.loads(each) for each in source.runs(parent["id"])] == [good]
    assert [message.partition("'runs': ")[2] for message in source.damage.messages] == [
        "it has no 'run'.",
        "its 'run' cannot be read: it is not a JSON object.",
        "its 'run' has no id.",
        "it has no 'run'.",
    ]


def test_runs_of_one_eval_may_stand_in_two_files_but_no_run_in_both(tmp_path: Path) -> None:
    parent = an_eval()
    runs = [a_run(parent, 1), a_run(parent, 2)]
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, run in zip(paths, runs, strict=True):
        path.write_text(json.dumps({"eval": parent, "runs": [{"run": run, "output_items": [an_item(run, 0)]}]}))
    source = LangfuseSource.open(paths)

    assert [json.loads(each) for each in source.evals()] == [parent]
    assert [json.loads(each) for each in source.runs(parent["id"])] == runs
    assert [len(list(source.output_items(run["id"]))) for run in runs] == [1, 1]
    copy = tmp_path / "copy.json"
    copy.write_bytes(paths[0].read_bytes())
    with pytest.raises(SourceError, match=f"a.json and .*copy.json hold the same run {runs[0]['id']}"):
        LangfuseSource.open([*paths, copy])


def test_an_empty_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no \*\.json files"):
        LangfuseSource.open([tmp_path])
