"""Real outputs of four models over 1,319 questions as runs of one eval, made through the API, for looking at pages."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2

MODELS = {
    "6b_finetuning": "6b fine-tuning",
    "6b_verification": "6b verification",
    "175b_finetuning": "175b fine-tuning",
    "175b_verification": "175b verification",
}
_ANSWER = re.compile(r"^A: (.*)$", re.MULTILINE)
_STEP = re.compile(r"<<([^=<>]*)=([^<>]*)>>")
_CRITERIA: list[dict[str, Any]] = [
    {
        "type": "python",
        "name": "final answer",
        "pass_threshold": 1,
        "source": (
            "import re\n"
            "def grade(sample, item):\n"
            "    found = re.findall(r'(?m)^A: (.*)$', sample['output_text'])\n"
            "    said = found[-1].strip().replace(',', '').replace('$', '') if found else ''\n"
            "    return float(said == item['expected'])\n"
        ),
    },
    {
        "type": "python",
        "name": "arithmetic holds",
        "pass_threshold": 1,
        "source": (
            "import re\n"
            "def grade(sample, item):\n"
            "    steps = re.findall(r'<<([0-9.+*/() -]+)=([0-9.]+)>>', sample['output_text'])\n"
            "    right = 0\n"
            "    for left, said in steps:\n"
            "        try:\n"
            "            right += abs(eval(left) - float(said)) < 0.01\n"
            "        except Exception:\n"
            "            right += 1\n"
            "    return right / len(steps) if steps else 1.0\n"
        ),
    },
    {
        "type": "text_similarity",
        "name": "overlap with reference",
        "input": "{{ sample.output_text }}",
        "reference": "{{ item.reference }}",
        "evaluation_metric": "rouge_l",
        "pass_threshold": 0.5,
    },
]


def rows(path: Path, model: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a model."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            solution, reference = record[model]["solution"], record["ground_truth"]
            steps = len(_STEP.findall(reference))
            item = {
                "question": record["question"],
                "reference": reference,
                "expected": _answer(reference),
                "steps": "7 or more" if steps >= 7 else f"{steps}",
            }
            message = {"role": "assistant", "content": solution}
            usage = {"prompt_tokens": len(record["question"]) // 4, "completion_tokens": len(solution) // 4}
            usage["total_tokens"] = sum(usage.values())
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            yield {"item": item, "sample": {"model": model, "choices": choices, "usage": usage}}


def make_runs(http: httpx2.Client, path: Path) -> list[dict[str, Any]]:
    """Make the eval and its four runs; return the runs when they have ended."""
    properties = {name: {"type": "string"} for name in ("question", "reference", "expected", "steps")}
    body = {
        "name": "GSM8K final answers",
        "data_source_config": {
            "type": "custom",
            "item_schema": {"type": "object", "properties": properties},
            "include_sample_schema": True,
        },
        "testing_criteria": _CRITERIA,
    }
    parent = _sent(http, "/v1/evals", body)
    return [_run(http, parent["id"], name, list(rows(path, model))) for model, name in MODELS.items()]


def _run(http: httpx2.Client, eval_id: str, name: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    source = {"type": "jsonl", "source": {"type": "file_content", "content": content}}
    run = _sent(http, f"/v1/evals/{eval_id}/runs", {"name": name, "data_source": source})
    while run["status"] in {"queued", "in_progress"}:
        time.sleep(0.3)
        run = http.get(f"/v1/evals/{eval_id}/runs/{run['id']}").json()
    return run


def _sent(http: httpx2.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = http.post(path, content=json.dumps(body))
    answer.raise_for_status()
    return answer.json()


def _answer(text: str) -> str:
    found = _ANSWER.findall(text)
    return found[-1].strip().replace(",", "").replace("$", "") if found else ""
