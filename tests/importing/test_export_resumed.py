"""`evalhaven export-hosted` started again: the archive and the printed command hold what was asked for."""

import shlex
from pathlib import Path

from evalhaven.importers.archive import Archive
from tests.importing.hosted_account import INCOMPLETE, Account, export
from tests.importing.hosted_standin import HostedStandin


def test_printed_command_and_the_directory_alone_go_on_with_what_was_asked(
    tmp_path: Path, small_account: Account
) -> None:
    eval_id, run_id = small_account.run_ids[0]
    directory = tmp_path / "my archive"
    items = f"/v1/evals/{eval_id}/runs/{run_id}/output_items"
    filters = ("--metadata", "team=b", "--metadata", "number=0", "--concurrency", "2")
    with HostedStandin(str(small_account.client.base_url)) as hosted:
        hosted.gone = {items}
        output = export(hosted.base_url, directory, *filters, status=INCOMPLETE)
        _, _, printed = output.partition("To try the missing part again: ")
        program, command, to_dir, named, *words = shlex.split(printed)
        assert (program, command, to_dir, named) == ("evalhaven", "export-hosted", "--to-dir", str(directory))
        assert words == ["--base-url", hosted.base_url, *filters[:4], "--concurrency", "2"]

        refused = export(None, directory, "--metadata", "team=a", status=1)
        assert "--metadata team=a contradicts that" in refused
        again = export(None, directory, status=INCOMPLETE)
        hosted.gone = set()
        export(None, Path(named), *words)

    assert shlex.split(again.partition("To try the missing part again: ")[2])[4:] == words
    archive = Archive.open(directory)
    assert archive.manifest.counts["runs"] == 1
    assert len(list(archive.output_items(run_id))) == 150
    assert archive.manifest.failures == []
