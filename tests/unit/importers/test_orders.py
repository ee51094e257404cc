"""Facts about what an export is asked for: it is kept in the archive, continued, and printed as a command."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from evalhaven.cli import export_hosted
from evalhaven.cli.main import application
from evalhaven.domain.clock import Clock
from evalhaven.importers.archive import ArchiveError, read_manifest, write_manifest
from evalhaven.importers.hosted.filters import Filters, parse_moment, read_filters
from evalhaven.importers.hosted.orders import Order, OrderError, Wishes, command, read_order
from evalhaven.importers.hosted.workspace import Workspace

AZURE = "https://made-up.openai.azure.com/openai/v1"
FILTERS = Filters(
    eval_ids=("eval_1", "eval_2"),
    since=1_735_689_600.0,
    until=1_751_328_000.25,
    metadata=(("team", "search & rank"), ("team", "$HOME"), ("quote", "it's")),
)
EVERYTHING = Wishes(
    base_url=AZURE,
    filters=FILTERS,
    api_version="2025-04-01-preview",
    all_files=True,
    logs=False,
    concurrency=1,
    tries=3,
    timeout_s=120.5,
)


def exported(directory: Path, wishes: Wishes, *, is_ended: bool = True, **environment: str) -> Order:
    """Begin an archive as a command line wishes, and end it with nothing in it."""
    order = read_order(directory, wishes, environment)
    Workspace(directory, order.base_url, order.filters.describe(), Clock(), order.asked).close(is_ended=is_ended)
    return order


def parsed(words: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the command line hands to the export."""
    seen: dict[str, Any] = {}

    def keep(_function: object, task: Any, _dry_run: bool) -> int:
        seen.update(order=task.order, directory=task.directory)
        return 0

    monkeypatch.setattr(export_hosted.anyio, "run", keep)
    outcome = CliRunner().invoke(application, words, env={"AZURE_OPENAI_API_KEY": "az", "OPENAI_API_KEY": "sk"})
    assert outcome.exit_code == 0, outcome.output
    return seen


@pytest.mark.parametrize("is_ended", [True, False])
def test_without_options_an_archive_says_what_is_wanted(tmp_path: Path, *, is_ended: bool) -> None:
    order = exported(tmp_path, EVERYTHING, is_ended=is_ended)

    assert read_order(tmp_path, Wishes(), {}) == order
    assert read_order(tmp_path, EVERYTHING, {}) == order
    assert order.filters == FILTERS
    assert (order.base_url, order.asked.api_version, order.asked.all_files) == (AZURE, "2025-04-01-preview", True)
    assert not order.asked.logs


def test_the_printed_command_asks_for_the_same_in_another_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = read_order(tmp_path, EVERYTHING, {})
    program, *words = shlex.split(command(order, tmp_path / "with a blank"))
    found = parsed(words, monkeypatch)

    assert program == "evalhaven"
    assert found["order"] == order
    assert found["directory"] == tmp_path / "with a blank"


def test_the_printed_command_is_short_where_little_was_asked_for(tmp_path: Path) -> None:
    order = read_order(tmp_path, Wishes(), {"OPENAI_PROJECT_ID": "proj 1", "OPENAI_API_KEY": "sk-secret"})

    assert command(order, Path("archive")) == (
        "OPENAI_PROJECT_ID='proj 1' evalhaven export-hosted --to-dir archive --base-url https://api.openai.com/v1"
    )


@pytest.mark.parametrize(
    ("wishes", "named"),
    [
        (Wishes(filters=Filters(metadata=(("team", "b"),))), "--metadata team=b contradicts"),
        (Wishes(filters=Filters(since=5.0)), "asked for with --metadata team=a; --since 5 contradicts"),
        (Wishes(filters=Filters(metadata=(("team", "a"),), eval_ids=("eval_1",))), "--eval eval_1 --metadata team=a"),
        (Wishes(base_url=AZURE), "choose another directory"),
        (Wishes(api_version="2024-01-01"), "--api-version 2024-01-01 contradicts"),
    ],
)
def test_options_that_contradict_an_unfinished_export_are_refused(tmp_path: Path, wishes: Wishes, named: str) -> None:
    wanted = Wishes(base_url="https://api.openai.com/v1", filters=Filters(metadata=(("team", "a"),)))
    exported(tmp_path, wanted, is_ended=False)
    before = (tmp_path / "manifest.json").read_bytes()

    with pytest.raises((OrderError, ArchiveError), match=named):
        read_order(tmp_path, wishes, {})
    assert (tmp_path / "manifest.json").read_bytes() == before


def test_a_whole_archive_takes_another_order_and_one_with_failures_does_not(tmp_path: Path) -> None:
    exported(tmp_path, Wishes(filters=FILTERS))
    other = Wishes(filters=Filters(eval_ids=("eval_3",)))

    assert read_order(tmp_path, other, {}).filters == other.filters
    manifest = read_manifest(tmp_path)
    manifest.lacking = True
    write_manifest(tmp_path, manifest)
    with pytest.raises(OrderError, match="contradicts"):
        read_order(tmp_path, other, {})


def test_another_project_is_refused_and_the_known_one_is_kept(tmp_path: Path) -> None:
    exported(tmp_path, Wishes(), OPENAI_PROJECT_ID="proj_1")

    assert read_order(tmp_path, Wishes(), {}).asked.owner == {"OPENAI_PROJECT_ID": "proj_1"}
    with pytest.raises(OrderError, match="an archive of OPENAI_PROJECT_ID=proj_1, and OPENAI_PROJECT_ID is proj_2 now"):
        read_order(tmp_path, Wishes(), {"OPENAI_PROJECT_ID": "proj_2"})


def test_manners_may_change_and_are_kept(tmp_path: Path) -> None:
    exported(tmp_path, Wishes(concurrency=1, tries=2), is_ended=False)

    changed = read_order(tmp_path, Wishes(concurrency=2, timeout_s=5.0), {}).asked
    assert (changed.concurrency, changed.tries, changed.timeout_s) == (2, 2, 5.0)


def test_a_key_follows_a_manifest_to_well_known_addresses_only(tmp_path: Path) -> None:
    elsewhere = Wishes(base_url="https://gateway.example/v1")
    exported(tmp_path / "own", elsewhere)
    exported(tmp_path / "plain", replace(elsewhere, base_url="http://api.openai.com/v1"))
    exported(tmp_path / "machine", replace(elsewhere, base_url="https://evil.westeurope.cloudapp.azure.com/v1"))
    for name in ("own", "plain", "machine"):
        with pytest.raises(OrderError, match=r"only when you name it: evalhaven export-hosted .* --base-url http"):
            read_order(tmp_path / name, Wishes(), {})
    assert read_order(tmp_path / "own", elsewhere, {}).base_url == "https://gateway.example/v1"


def test_no_key_is_kept(tmp_path: Path) -> None:
    exported(tmp_path, EVERYTHING, OPENAI_API_KEY="sk-made-up", AZURE_OPENAI_API_KEY="az-made-up")

    assert b"made-up." in (tmp_path / "manifest.json").read_bytes()
    assert b"-made-up" not in (tmp_path / "manifest.json").read_bytes()


def test_filters_of_an_earlier_release_are_read() -> None:
    assert read_filters({"since": 5, "metadata": {"a": "b"}}) == Filters(since=5.0, metadata=(("a", "b"),))
    assert read_filters(FILTERS.describe()) == FILTERS
    assert FILTERS.until is not None
    assert parse_moment(FILTERS.options()[7]) == FILTERS.until


def test_an_archive_of_an_earlier_release_takes_what_it_does_not_know(tmp_path: Path) -> None:
    exported(tmp_path, replace(EVERYTHING, api_version=None), is_ended=False)
    manifest = read_manifest(tmp_path)
    manifest.asked = None
    write_manifest(tmp_path, manifest)

    assert read_order(tmp_path, Wishes(api_version="2025-04-01-preview"), {}).asked.api_version == "2025-04-01-preview"
