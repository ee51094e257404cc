"""`evalhaven export-hosted` of an account that withholds something: the rest is kept, and the gaps are reported."""

import json
from pathlib import Path

from evalhaven.importers.archive import Archive
from tests.importing.hosted_account import INCOMPLETE, Account, assert_archive_equals_account, export
from tests.importing.hosted_standin import HostedStandin, Seen


def server_url(account: Account) -> str:
    return str(account.client.base_url)


def test_list_that_breaks_keeps_what_came(tmp_path: Path, small_account: Account) -> None:
    eval_id, run_id = small_account.run_ids[0]
    first: list[object] = []
    with HostedStandin(server_url(small_account)) as hosted:

        def break_after_one(seen: Seen, body: bytes) -> bytes:
            if not seen.path.endswith(f"/{eval_id}/runs"):
                return body
            # The first run again and again, whatever the cursor.
            first.extend(json.loads(body)["data"][: 1 - len(first)])
            return json.dumps({"data": first, "object": "list", "has_more": True}).encode()

        hosted.rewrite = break_after_one
        output = export(hosted.base_url, tmp_path, status=INCOMPLETE)
        archive = Archive.open(tmp_path)

        assert "the list repeats its last page though it says there is more" in output
        assert [json.loads(raw)["id"] for raw in archive.runs(eval_id)] == [run_id]
        assert list(archive.output_items(run_id))
        hosted.rewrite = lambda _seen, body: body
        export(hosted.base_url, tmp_path)
    assert_archive_equals_account(tmp_path, small_account)


def test_list_that_abbreviates_is_noted(tmp_path: Path, small_account: Account) -> None:
    with HostedStandin(server_url(small_account)) as hosted:

        def abbreviate(seen: Seen, body: bytes) -> bytes:
            if not seen.path.endswith("/output_items"):
                return body
            page = json.loads(body)
            for item in page["data"]:
                del item["sample"]
            return json.dumps(page).encode()

        hosted.rewrite = abbreviate
        output = export(hosted.base_url, tmp_path, status=INCOMPLETE)

    assert "the list abbreviates output items: read by itself, this one differs in sample" in output


def test_content_that_may_not_be_downloaded_is_recorded(tmp_path: Path, small_account: Account) -> None:
    run = small_account.client.get_run(*small_account.run_ids[0])
    file_id = run["data_source"]["source"]["id"]
    with HostedStandin(server_url(small_account)) as hosted:
        hosted.gone = {f"/v1/files/{file_id}/content"}
        export(hosted.base_url, tmp_path, status=INCOMPLETE)
    archive = Archive.open(tmp_path)

    assert [(each.kind, each.id) for each in archive.manifest.failures] == [("file_content", file_id)]
    assert (found := archive.find_file(file_id)) is not None
    assert found.content is None
