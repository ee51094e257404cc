"""The example's tickets as two runs of one eval: the recorded answers, and the same ones with some put right."""

import json
import time
from pathlib import Path
from typing import Any

import httpx2

_EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "support_tickets"
_MENDED_EACH = 3


def make_tickets(http: httpx2.Client) -> tuple[str, str, str]:
    """Make the eval and both runs; return the ids of the eval and of the runs when these have ended."""
    parent = _sent(http, "/v1/evals", json.loads((_EXAMPLE / "eval.json").read_text(encoding="utf-8")))["id"]
    rows = [json.loads(line) for line in (_EXAMPLE / "tickets.jsonl").read_text(encoding="utf-8").splitlines()]
    first = _run(http, parent, "Prompt 1", rows)
    mended = [_mended(row) if number % _MENDED_EACH == 0 else row for number, row in enumerate(rows)]
    second = _run(http, parent, "Prompt 2", mended)
    return parent, first, second


def _mended(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose answer is right."""
    item = row["item"]
    answer = {key: item[key] for key in ("category", "priority")} | {"reply": f"We look into {item['ticket_id']}."}
    message = {"role": "assistant", "content": json.dumps(answer)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"item": item, "sample": {**row["sample"], "choices": [choice]}}


def _run(http: httpx2.Client, eval_id: str, name: str, rows: list[dict[str, Any]]) -> str:
    source = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
    run = _sent(http, f"/v1/evals/{eval_id}/runs", {"name": name, "data_source": source})
    while run["status"] in {"queued", "in_progress"}:
        time.sleep(0.1)
        run = http.get(f"/v1/evals/{eval_id}/runs/{run['id']}").json()
    return run["id"]


def _sent(http: httpx2.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = http.post(path, content=json.dumps(body))
    answer.raise_for_status()
    return answer.json()
