"""Accounts, filters and archives without content: the command says so, and asks about the project."""

import json
from pathlib import Path

import httpx2
import pytest

from evalhaven.importers.archive import Archive
from tests.importing.hosted_account import INCOMPLETE, Account, export
from tests.importing.hosted_standin import KEY, HostedStandin, Seen
from tests.importing.moving import Holdings, run_import, write_archive
from tests.server import Server


def server_url(account: Account) -> str:
    return str(account.client.base_url)


def show_nothing(_seen: Seen, _body: bytes) -> bytes:
    return json.dumps({"object": "list", "data": [], "has_more": False}).encode()


@pytest.mark.parametrize("option", [(), ("--dry-run",)])
def test_a_key_that_sees_nothing_is_asked_about(
    tmp_path: Path, small_account: Account, option: tuple[str, ...]
) -> None:
    with HostedStandin(server_url(small_account)) as hosted:
        hosted.rewrite = show_nothing
        output = export(hosted.base_url, tmp_path, *option, status=INCOMPLETE, OPENAI_PROJECT_ID="proj_made_up")

    assert f"Nothing was found. {hosted.base_url} shows this key no evals. Is it the right project?" in output
    assert "OPENAI_ORG_ID is not set and OPENAI_PROJECT_ID is proj_made_up" in output
    assert "Complete" not in output


@pytest.mark.parametrize("option", [(), ("--dry-run",)])
def test_a_filter_that_matches_nothing_is_named(
    tmp_path: Path, small_account: Account, option: tuple[str, ...]
) -> None:
    with HostedStandin(server_url(small_account)) as hosted:
        output = export(hosted.base_url, tmp_path, "--metadata", "team=none of these", *option, status=INCOMPLETE)

    found = f"Of 3 evals at {hosted.base_url}, none matches --metadata 'team=none of these'."
    assert f"Nothing was found. {found}" in output
    assert "Is it the right project?" in output
    assert "Complete" not in output


def test_what_an_archive_holds_already_is_no_find(tmp_path: Path, small_account: Account) -> None:
    with HostedStandin(server_url(small_account)) as hosted:
        export(hosted.base_url, tmp_path)
        output = export(hosted.base_url, tmp_path, "--until", "2001-01-01", status=INCOMPLETE)

    assert "Nothing was found. Of 3 evals" in output
    assert Archive.open(tmp_path).manifest.counts["runs"] == 6


def test_an_azure_user_is_asked_about_the_resource(tmp_path: Path, small_account: Account) -> None:
    version = ("--api-version", "2025-04-01-preview")
    with HostedStandin(server_url(small_account)) as hosted:
        hosted.rewrite = show_nothing
        hosted.key_header = ("api-key", "az-made-up")
        output = export(hosted.base_url, tmp_path, *version, status=INCOMPLETE, AZURE_OPENAI_API_KEY="az-made-up")

        assert all("authorization" not in seen.headers for seen in hosted.seen)
    assert "Is it the right resource? Its address and its key (AZURE_OPENAI_API_KEY) belong together." in output
    assert "OPENAI_PROJECT_ID" not in output


def test_nothing_is_imported_from_an_empty_account_or_archive(tmp_path: Path, small_account: Account) -> None:
    with HostedStandin(server_url(small_account)) as hosted:
        hosted.rewrite = show_nothing
        live = run_import("openai", "--base-url", hosted.base_url, environment={"OPENAI_API_KEY": KEY}, cwd=tmp_path)
    archive = write_archive(tmp_path / "archive", Holdings())
    archived = run_import("archive", archive, "--data-dir", tmp_path / "data")

    assert (live.status, archived.status) == (INCOMPLETE, INCOMPLETE), (live, archived)
    assert "Nothing was found" in archived.out
    assert not (tmp_path / "data").exists()
    assert not (tmp_path / "evalhaven-data").exists()


def test_an_export_that_found_nothing_new_is_not_taken_for_a_whole_import(
    tmp_path: Path, small_account: Account
) -> None:
    arguments = ("--archive-dir", str(tmp_path / "archive"))
    with HostedStandin(server_url(small_account)) as hosted, Server(tmp_path).running() as server:
        named = ("openai", "--base-url", hosted.base_url, *arguments, "--url", server.url)
        assert run_import(*named, environment={"OPENAI_API_KEY": KEY}).status == 0
        again = run_import(*named, "--until", "2001-01-01", environment={"OPENAI_API_KEY": KEY})
        count = len(httpx2.get(f"{server.url}/v1/evals").json()["data"])

    assert again.status == INCOMPLETE
    assert "Nothing was found" in again.out
    assert count == 3
