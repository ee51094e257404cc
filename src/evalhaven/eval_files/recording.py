"""The outputs of a run as a JSONL file of recorded answers, and the items of a run that did not pass."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio.to_thread

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import canonical_hash
from evalhaven.eval_files.talking import Talker


async def record_outputs(talker: Talker, eval_id: str, run_id: str, path: Path) -> int:
    """Write the outputs of a run to a file, in the order of the data; return how many.

    Raises:
        OSError: The file cannot be written.
        RefusedError: The server refused, or did not answer.
    """
    found = [
        (
            each["datasource_item_id"],
            each["evalhaven"].get("repeat", 0),
            {"item": each["datasource_item"], "sample": each["sample"]},
        )
        async for each in _items(talker, eval_id, run_id)
        if each["sample"].get("output") and each["sample"].get("error") is None
    ]
    found.sort(key=lambda each: each[:2])
    text = "".join(f"{jsontext.render(row)}\n" for _, _, row in found)
    await anyio.to_thread.run_sync(lambda: path.write_text(text, encoding="utf-8"))
    return len(found)


async def find_failing_items(talker: Talker, run_id: str) -> frozenset[bytes]:
    """Return the hashes of the items that failed or erred in a run.

    Raises:
        RefusedError: The server refused, or did not answer.
    """
    run = await talker.ask("GET", f"/api/runs/{quote(run_id, safe='')}", {"rows": "false"})
    return frozenset(
        [
            canonical_hash(each["datasource_item"])
            async for each in _items(talker, run["eval_id"], run_id)
            if each["status"] != "pass"
        ]
    )


async def _items(talker: Talker, eval_id: str, run_id: str) -> AsyncIterator[dict[str, Any]]:
    path = f"/v1/evals/{quote(eval_id, safe='')}/runs/{quote(run_id, safe='')}/output_items"
    async for each in talker.pages(path):
        yield each
