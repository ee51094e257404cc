"""Servers that are down or go away: each retry is reported, and so is giving up, with its reason."""

import os
import pty
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from evalhaven.importers.archive import Archive
from tests.importing.hosted_account import Account, assert_archive_equals_account, export, start_export
from tests.importing.hosted_standin import KEY, Faults, HostedStandin, Seen
from tests.importing.moving import run_import, small_holdings, write_archive

FEW = ("--tries", "3")


@pytest.fixture
def closed_url() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def test_address_that_does_not_answer_is_named_while_it_is_tried_and_given_up(tmp_path: Path, closed_url: str) -> None:
    directory = tmp_path / "archive"
    process = start_export(closed_url, directory, *FEW)
    assert process.stdout is not None
    first = process.stdout.readline()
    # It is reported before the second try, not after the last one.
    assert process.poll() is None
    rest, _ = process.communicate(timeout=60)

    assert first.startswith("the connection was refused: nothing listens at this address; again in ")
    assert "(1 of 3 tries failed)" in first
    assert process.returncode == 1, rest
    assert f"Error: {closed_url} does not answer: the connection was refused" in rest
    assert "Given up after 3 tries" in rest
    words = shlex.split(rest.partition("then go on: ")[2])
    assert words == ["evalhaven", "export-hosted", "--to-dir", str(directory), "--base-url", closed_url, *FEW]
    assert not directory.exists()


def test_name_that_does_not_resolve_is_reported(tmp_path: Path) -> None:
    output = export("http://nowhere.invalid/v1", tmp_path, "--tries", "1", status=1)

    assert "does not answer: the name in the address does not resolve. Given up" in output


def test_retries_are_shown_on_a_terminal(tmp_path: Path, closed_url: str) -> None:
    terminal, side = pty.openpty()
    command = [sys.executable, "-m", "evalhaven", "export-hosted", "--to-dir", str(tmp_path), "--base-url", closed_url]
    environment = {**os.environ, "OPENAI_API_KEY": KEY, "COLUMNS": "250", "TERM": "xterm"}
    process = subprocess.Popen([*command, "--tries", "2"], stdin=side, stdout=side, stderr=side, env=environment)
    os.close(side)
    shown = b""
    while True:
        try:
            block = os.read(terminal, 65536)
        except OSError:
            # The other side is closed.
            break
        if not block:
            break
        shown += block
    os.close(terminal)

    assert process.wait(30) == 1
    assert b"Access" in shown
    assert b"the connection was refused: nothing listens at this address; again in" in shown


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html><script>x()</script><body>Please <b>log in</b></body></html>", "it answers with an HTML page ("),
        (b"", "it answers with nothing ("),
        (b'{"object": "list", "data": [', "the body is incomplete: "),
    ],
)
def test_page_of_somebody_else_is_named_as_what_it_is(
    tmp_path: Path, small_account: Account, body: bytes, told: str
) -> None:
    with HostedStandin(str(small_account.client.base_url)) as hosted:
        hosted.rewrite = lambda _seen, _body: body
        output = export(hosted.base_url, tmp_path / "archive", "--tries", "1", status=1)

    assert f"{hosted.base_url} cannot be read: {told}" in output
    assert "Check the address and the network" in output
    assert "x()" not in output
    if b"html" in body:
        assert "Please log in" in output
        assert "Expecting value" not in output


def test_page_that_does_not_come_in_time_is_said_to_be_asked_for_in_parts(
    tmp_path: Path, small_account: Account
) -> None:
    with HostedStandin(str(small_account.client.base_url), Faults(slow=1.0)) as hosted:
        process = start_export(hosted.base_url, tmp_path / "archive", "--tries", "1")
        assert process.stdout is not None
        first = process.stdout.readline()
        process.communicate(timeout=60)

    assert " s for fewer objects at once (0 of 1 try failed)" in first


def test_server_that_dies_on_the_way_ends_the_export_and_a_later_one_goes_on(
    tmp_path: Path, small_account: Account
) -> None:
    with HostedStandin(str(small_account.client.base_url)) as hosted:

        def die(seen: Seen, body: bytes) -> bytes:
            hosted.refuses_connections = hosted.refuses_connections or seen.path.endswith("/output_items")
            return body

        hosted.rewrite = die
        output = export(hosted.base_url, tmp_path, *FEW, status=1)
        asked = len(hosted.seen)
        assert "(1 of 3 tries failed)" in output
        assert "The export has not ended. What is there stays. To go on: evalhaven export-hosted" in output
        assert f"{hosted.base_url} does not answer: the connection ended before the answer was there" in output
        # A server that is gone is not asked for each of the other runs and files.
        assert asked < 40
        assert Archive.open(tmp_path).manifest.failures == []
        hosted.refuses_connections = False
        hosted.rewrite = lambda _seen, body: body
        export(None, tmp_path)
    assert_archive_equals_account(tmp_path, small_account)


def test_one_object_that_is_never_answered_ends_nothing_else(tmp_path: Path, small_account: Account) -> None:
    eval_id, run_id = small_account.run_ids[0]
    with HostedStandin(str(small_account.client.base_url)) as hosted:
        hosted.broken = {f"/v1/evals/{eval_id}/runs/{run_id}/output_items"}
        export(hosted.base_url, tmp_path, *FEW, status=3)
        manifest = Archive.open(tmp_path).manifest

    assert [(each.kind, each.id) for each in manifest.failures] == [("output_items", run_id)]
    assert manifest.counts["output_items"] == 450


def test_import_into_a_server_that_is_not_there_says_why(tmp_path: Path, closed_url: str) -> None:
    archive = write_archive(tmp_path / "archive", small_holdings())
    outcome = run_import("archive", archive, "--url", closed_url)

    assert outcome.status == 1
    assert "does not answer: the connection was refused: nothing listens at this address." in outcome.err
    assert "To continue, run the same command again" in outcome.err


def test_import_into_what_is_no_server_of_ours_says_so(tmp_path: Path, small_account: Account) -> None:
    archive = write_archive(tmp_path / "archive", small_holdings())
    with HostedStandin(str(small_account.client.base_url)) as hosted:
        hosted.answer_to_posts = b"<html>hello</html>"
        outcome = run_import("archive", archive, "--url", hosted.base_url)

    assert outcome.status == 1, outcome
    assert "is not an Evalhaven server: it answers 200, text/html" in outcome.err
    assert "Traceback" not in outcome.err


def test_import_openai_shows_retries_too(tmp_path: Path, closed_url: str) -> None:
    arguments = ("openai", "--base-url", closed_url, "--tries", "2")
    outcome = run_import(*arguments, environment={"OPENAI_API_KEY": KEY}, cwd=tmp_path)

    assert outcome.status == 1
    assert "(1 of 2 tries failed)" in outcome.err
    assert not (tmp_path / "evalhaven-data").exists()
