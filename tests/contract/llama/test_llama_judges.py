"""Judges at llama.cpp's own server, which keeps their answers to the form that is asked for."""

import json
from typing import Any

import openai

from tests.contract.llama.conftest import Ask, Run, counts, extension_of, source, user
from tests.llama.media import BLUE, RED, data_url, png
from tests.llama.models import IMAGE_TOKENS
from tests.llama.server import MODEL

CERTAIN = {"temperature": 0, "max_completions_tokens": 400}


def judge(*content: Any, **changes: Any) -> dict[str, Any]:
    return {
        "type": "score_model",
        "name": "rated",
        "model": MODEL,
        "input": [user(*content)],
        "sampling_params": CERTAIN,
        **changes,
    }


def labelled(*content: Any, **changes: Any) -> dict[str, Any]:
    return {**judge(*content), "type": "label_model", "labels": ["good", "bad"], **changes}


def rows(*items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "jsonl", "source": {"type": "file_content", "content": [{"item": item} for item in items]}}


def result_of(item: Any, number: int = 0) -> dict[str, Any]:
    return item.results[number].model_dump()


def answer_of(result: dict[str, Any]) -> dict[str, Any]:
    return json.loads(result["sample"]["output"][0]["content"])


def test_scores_and_labels_are_those_of_the_form_and_tokens_those_of_the_server(run: Run) -> None:
    items_in = [{"n": n} for n in range(4)]
    both = labelled("Sort answer {{ item.n }}.", passing_labels=["bad"])
    ended, items = run(rows(*items_in), judge("Rate answer {{ item.n }}.", range=[0, 10], pass_threshold=0), both)
    results = [(result_of(item), result_of(item, 1)) for item in items]

    assert counts(ended)[2] == 0, [item.results for item in items]
    for scored, sorted_ in results:
        answer, label = answer_of(scored), answer_of(sorted_)
        assert answer.keys() == label.keys() == {"steps", "result"}
        assert scored["score"] == min(max(answer["result"], 0), 10)
        assert scored["evalhaven"]["judge"]["read_from"] == "json"
        assert ("score_clamped" in scored["evalhaven"].get("notes", [])) == (scored["score"] != answer["result"])
        assert (sorted_["score"], sorted_["passed"]) == (float(label["result"] == "bad"), label["result"] == "bad")
        assert scored["sample"]["finish_reason"] == sorted_["sample"]["finish_reason"] == "stop"
    [usage] = extension_of(ended)["usage_split"]["judge"]
    shown = [result["sample"]["usage"] for both in results for result in both]
    assert usage["invocation_count"] == 8
    assert usage["total_tokens"] == sum(each["total_tokens"] for each in shown) > 0


def test_a_judge_is_asked_what_it_would_be_asked_directly(run: Run, ask: Ask) -> None:
    _, (item,) = run(rows({"n": 1}), judge("Rate answer {{ item.n }}."))
    shown = result_of(item)["sample"]
    direct = ask("/chat/completions", messages=[user("Rate answer 1.")], max_tokens=1)

    assert shown["input"] == [{"role": "user", "content": "Rate answer 1."}]
    assert shown["usage"]["prompt_tokens"] == direct["usage"]["prompt_tokens"]


def test_target_and_judge_of_one_server_are_counted_apart(run: Run) -> None:
    ended, (item,) = run(source("completions", [{}], user("Say something.")), judge("Rate {{ sample.output_text }}"))
    [target], [judging] = (extension_of(ended)["usage_split"][role] for role in ("target", "judge"))

    assert target["total_tokens"] == item.sample.usage.total_tokens
    assert judging["total_tokens"] == result_of(item)["sample"]["usage"]["total_tokens"]
    assert ended.model_dump()["per_model_usage"][0]["invocation_count"] == 2


def test_an_answer_that_is_cut_errs_its_item(run: Run) -> None:
    ended, (item,) = run(rows({}), judge("Rate it.", sampling_params={"max_completions_tokens": 5, "temperature": 0}))
    result = result_of(item)

    assert (counts(ended), item.status) == ((0, 0, 1), "error")
    assert result["evalhaven"]["error"]["code"] == "judge_truncated"
    assert (result["sample"]["finish_reason"], result["sample"]["usage"]["completion_tokens"]) == ("length", 5)


def test_images_reach_the_judge(run: Run, sdk: openai.OpenAI) -> None:
    uploaded = sdk.files.create(file=("blue.png", png(BLUE)), purpose="vision")
    by_url = judge("Rate it.", {"type": "input_image", "image_url": "{{ item.picture }}"})
    by_id = judge("Rate it.", {"type": "input_image", "file_id": uploaded.id})
    ended, (item,) = run(rows({"picture": data_url(png(RED))}), judge("Rate it."), by_url, by_id)
    without, red, blue = (result_of(item, number)["sample"]["usage"]["prompt_tokens"] for number in range(3))

    assert counts(ended)[2] == 0, item.results
    assert red == blue == without + IMAGE_TOKENS


def test_a_judge_that_is_asked_too_much_errs_its_item_and_no_other(run: Run) -> None:
    ended, items = run(rows({"n": "a " * 5000}, {"n": "answer 1."}), judge("Rate {{ item.n }}", pass_threshold=0))

    assert counts(ended) == (1, 0, 1)
    error = result_of(items[0])["evalhaven"]["error"]
    assert (error["code"], error["origin"]) == ("context_length_exceeded", "judge")
