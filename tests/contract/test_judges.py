"""Runs whose graders ask models, through the official SDK: what judges are sent, what they decide, what they cost."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, NewServer
from tests.contract.llama.conftest import Run, counts, extension_of, runner_of, sdk_of
from tests.databases import TemporaryDatabase
from tests.listening_endpoint import ListeningEndpoint
from tests.recorded import read_recorded
from tests.replicas import Replicas
from tests.server import Server

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452")
CONFIG = """
[endpoints.rules]
scripted = true
models = ["target", "priced-judge"]
prices = [
  { model = "target", input = 1000000.0, output = 2000000.0 },
  { model = "priced-judge", input = 10000000.0, output = 20000000.0 },
]

[[endpoints.rules.rules]]
model = "priced-judge"
when = "says (\\\\w+)"
answer = '{"steps":[],"result":"{1}"}'

[endpoints.slow]
scripted = true
models = ["slow"]
timeout_s = 0.2
retry_for_s = 0
rules = [{ latency_ms = 60000, answer = "late" }]
"""
PLACE = """
[endpoints.{name}]
base_url = "{url}/{name}"
protocol = "{protocol}"
models = ["{name}"]
retry_for_s = 0
lacks = {lacks}
"""
PLACES = {
    "sure": ("chat", []),
    "refuses": ("chat", []),
    "cuts": ("chat", []),
    "filters": ("chat", []),
    "talks": ("chat", []),
    "breaks": ("chat", []),
    "answers": ("responses", []),
    "locked": ("chat", []),
    "old": ("chat", ["structured_outputs", "developer_role"]),
    "older": ("chat", ["json_mode", "structured_outputs"]),
    "loose": ("chat", ["strict_schemas"]),
    "breathes": ("chat", []),
    "thinks": ("chat", []),
    "drafts": ("chat", []),
}
VERDICT = '{"steps":[{"description":"Look.","conclusion":"Fine."}],"result":0.8}'


def reply(text: str | None, finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    return {
        "model": "judge-2025",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **message},
                "finish_reason": finish_reason,
            }
        ],
        "usage": {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42},
    }


def response(text: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [part]}
    usage = {"input_tokens": 30, "output_tokens": 12, "total_tokens": 42}
    return {"object": "response", "status": "completed", "model": "judge-2025", "output": [message], "usage": usage}


def refused(text: str) -> dict[str, Any]:
    return {"error": {"message": text, "code": "no_such_key"}}


@pytest.fixture(scope="module")
def listener() -> Iterator[ListeningEndpoint]:
    with ListeningEndpoint() as endpoint:
        for name, answer in {
            "sure": reply(VERDICT),
            "refuses": reply(None, refusal="I would rather not."),
            "cuts": reply('{"steps":[{"desc', "length"),
            "filters": reply("", "content_filter"),
            "talks": reply("I give it a solid seven."),
            "old": reply(f"```json\n{VERDICT}\n```"),
            "older": reply("0.8"),
            "loose": reply(VERDICT),
            "breathes": reply(VERDICT.replace("Look.", "Look\n\there.")),
            "thinks": reply(None, reasoning_content=VERDICT),
            "drafts": reply(None, reasoning_content=f"Perhaps {VERDICT}"),
        }.items():
            endpoint.answers[f"/{name}/chat/completions"] = (200, answer)
        endpoint.answers["/breaks/chat/completions"] = (503, {"error": {"message": "Overloaded."}})
        endpoint.answers["/locked/chat/completions"] = (401, refused("No such key."))
        endpoint.answers["/answers/responses"] = (200, response(VERDICT))
        yield endpoint


@pytest.fixture(scope="module")
def judging_server(
    tmp_path_factory: pytest.TempPathFactory,
    temporary_database: TemporaryDatabase,
    new_server: NewServer,
    listener: ListeningEndpoint,
) -> Iterator[Server | Replicas]:
    directory = tmp_path_factory.mktemp("judging")
    config = directory / "evalhaven.toml"
    places = [
        PLACE.format(name=name, url=listener.url, protocol=protocol, lacks=json.dumps(lacks))
        for name, (protocol, lacks) in PLACES.items()
    ]
    config.write_text(CONFIG + "".join(places))
    with (
        temporary_database() as database_url,
        new_server(directory, database_url, EVALHAVEN_CONFIG=str(config)).running() as server,
    ):
        yield server
        for sign in ("request_failed_unexpectedly", "run_failed_unexpectedly", "executor_died", "Traceback"):
            assert sign not in server.log


@pytest.fixture(scope="module")
def sdk(judging_server: Server | Replicas) -> Iterator[openai.OpenAI]:
    with sdk_of(judging_server) as opened:
        yield opened


@pytest.fixture(scope="module")
def run(sdk: openai.OpenAI) -> Run:
    return runner_of(sdk)


def jsonl(*items: dict[str, Any], text: str = "The capital is Bern.") -> dict[str, Any]:
    """Return a data source of items that all bring the same sample along."""
    message = {"role": "assistant", "content": text}
    sample = {"model": "recorded-1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    rows = [{"item": item, "sample": sample} for item in items]
    return {"type": "jsonl", "source": {"type": "file_content", "content": rows}}


def sampled(*items: dict[str, Any]) -> dict[str, Any]:
    """Return a data source whose model says what each item wants."""
    template = [{"role": "user", "content": "Say it. ANSWER: {{ item.a }}"}]
    return {
        "type": "completions",
        "model": "target",
        "source": {"type": "file_content", "content": [{"item": item} for item in items]},
        "input_messages": {"type": "template", "template": template},
    }


def score_model(model: str, *content: Any, **changes: Any) -> dict[str, Any]:
    asked = content or ("Rate {{ sample.output_text }} for {{ item.q }}",)
    message = {"role": "user", "content": asked[0] if len(asked) == 1 else list(asked)}
    return {"type": "score_model", "name": f"by {model}", "model": model, "input": [message], **changes}


def label_model(model: str, text: str, **changes: Any) -> dict[str, Any]:
    labels = {"labels": ["yes", "no"], "passing_labels": ["yes"]}
    return {**score_model(model, text), "type": "label_model", **labels, **changes}


def result_of(item: Any, number: int = 0) -> dict[str, Any]:
    return item.results[number].model_dump()


def bodies(listener: ListeningEndpoint, name: str) -> list[dict[str, Any]]:
    """Return what an endpoint was sent."""
    return [json.loads(each.body) for each in listener.requests if each.path.startswith(f"/{name}/")]


def test_the_recorded_result_of_a_score_model_comes_out_field_by_field(
    run: Run, listener: ListeningEndpoint, shared_dir: Path
) -> None:
    recorded = read_recorded(shared_dir / "spec/recorded/output_item_image_score_model__cookbook_2025-07.txt")
    expected = recorded["results"][0]
    told = expected["sample"]
    usage = told["usage"]
    answer = reply(told["output"][0]["content"])
    answer["model"] = told["model"]
    answer["usage"] = {
        **{key: usage[key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")},
        "prompt_tokens_details": {"cached_tokens": usage["cached_tokens"]},
    }
    listener.answers["/sure/chat/completions"] = (200, answer)
    criterion = score_model("sure", sampling_params={"max_completions_tokens": 4096})
    criterion["input"] = [
        {"role": "system", "content": told["input"][0]["content"]},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Prompt: {{ item.prompt }}."},
                {"type": "input_image", "image_url": "{{ item.media_url }}", "detail": "auto"},
                {
                    "type": "input_text",
                    "text": "Reference answer: {{ item.reference }}. Model response: {{ sample.output_text }}.",
                },
            ],
        },
    ]
    try:
        _, (item,) = run(jsonl(recorded["datasource_item"], text=recorded["sample"]["output"][0]["content"]), criterion)
    finally:
        listener.answers["/sure/chat/completions"] = (200, reply(VERDICT))
    result = result_of(item)
    shown = result["sample"]

    assert shown == told
    assert list(shown) == list(told)
    assert result["name"].startswith("by sure-")
    assert (result["score"], result["passed"]) == (expected["score"], expected["passed"])
    assert result.keys() - expected.keys() == {"type", "evalhaven"}
    assert result["type"] == "score-model-grader"
    assert item.status == "fail"
    [sent] = bodies(listener, "sure")[-1:]
    assert sent["messages"][1]["content"][1] == {
        "type": "image_url",
        "image_url": {"url": recorded["datasource_item"]["media_url"], "detail": "auto"},
    }
    assert sent["max_completion_tokens"] == 4096
    assert sent.keys() == {"model", "messages", "max_completion_tokens", "response_format"}, "only what was set"
    assert sent["response_format"]["json_schema"]["strict"] is True


def test_steps_labels_and_what_was_read_come_back(run: Run) -> None:
    labels = label_model("priced-judge", "It says {{ item.says }}")
    ended, items = run(
        jsonl({"q": "capital", "says": "yes"}, {"q": "capital", "says": "no"}), score_model("sure"), labels
    )
    scored, labelled = result_of(items[0]), result_of(items[1], 1)

    assert counts(ended) == (1, 1, 0)
    assert (scored["score"], scored["passed"]) == (0.8, True)
    assert scored["sample"]["input"] == [{"role": "user", "content": "Rate The capital is Bern. for capital"}]
    assert json.loads(scored["sample"]["output"][0]["content"])["steps"][0]["conclusion"] == "Fine."
    assert scored["evalhaven"]["judge"] == {"asked_for": "strict_schema", "result": 0.8, "read_from": "json"}
    [call] = scored["evalhaven"]["calls"]
    assert (call["model"], call["attempts"], call["cached"]) == ("judge-2025", 1, False)
    assert (labelled["type"], labelled["score"], labelled["passed"]) == ("label-model-grader", 0.0, False)
    assert labelled["evalhaven"]["judge"]["result"] == "no"
    assert [item.status for item in items] == ["pass", "fail"]


def test_a_judge_that_says_nothing_usable_errs_its_item_and_never_scores_it(run: Run) -> None:
    codes = {
        "refuses": "judge_refused",
        "cuts": "judge_truncated",
        "filters": "judge_filtered",
        "talks": "judge_unparsable",
        "breaks": "server_error",
        "slow": "upstream_timeout",
    }
    ended, (item,) = run(jsonl({"q": "capital"}), score_model("sure"), *map(score_model, codes))
    per_criterion: list[dict[str, Any]] = [each.model_dump() for each in ended.per_testing_criteria_results]
    sure, *failed = (result_of(item, number) for number in range(1 + len(codes)))

    assert (ended.status, counts(ended), item.status) == ("completed", (0, 0, 1), "error")
    assert [(each["passed"], each["failed"], each["errored"]) for each in per_criterion] == [
        (1, 0, 0),
        *[(0, 0, 1)] * len(codes),
    ]
    assert (sure["score"], "error" in sure["evalhaven"]) == (0.8, False)
    for result, code in zip(failed, codes.values(), strict=True):
        assert (result["score"], result["passed"]) == (0.0, False)
        assert result["sample"]["error"]["code"] == result["evalhaven"]["error"]["code"] == code
        assert result["evalhaven"]["error"]["origin"] == "judge"
        assert result["sample"]["input"], "what was asked can be read"
    assert failed[3]["sample"]["output"][0]["content"] == "I give it a solid seven."
    assert extension_of(ended)["errors"] == {"judge_refused": 1}, "an item counts by its first error"
    [usage] = ended.model_dump()["per_model_usage"]
    assert (usage["model_name"], usage["invocation_count"], usage["total_tokens"]) == ("judge-2025", 5, 5 * 42)


def test_raw_line_breaks_and_verdicts_in_the_reasoning_are_read_and_drafts_are_not(run: Run) -> None:
    cached = jsonl({"q": "reasoned"})
    _, (item,) = run(cached, *map(score_model, ("breathes", "thinks", "drafts")), cache=True)
    _, (again,) = run(cached, score_model("thinks"), cache=True)
    breathes, thinks, drafts = (result_of(item, number) for number in range(3))

    assert (breathes["score"], breathes["evalhaven"]["notes"]) == (0.8, ["unescaped_white_space"])
    assert "Look\n\there." in breathes["sample"]["output"][0]["content"]
    assert (thinks["score"], thinks["evalhaven"]["notes"]) == (0.8, ["read_from_reasoning"])
    assert thinks["evalhaven"]["judge"]["read_from"] == "reasoning"
    assert thinks["sample"]["output"][0]["reasoning_content"] == VERDICT
    assert (result_of(again)["score"], result_of(again)["evalhaven"]["notes"]) == (0.8, ["read_from_reasoning"])
    assert drafts["evalhaven"]["error"]["code"] == "judge_unparsable"


def test_a_score_beyond_its_range_is_clamped_and_said_so(run: Run) -> None:
    _, (item,) = run(jsonl({"q": "capital"}), score_model("sure", range=[5, 10], pass_threshold=5))
    result = result_of(item)

    assert (result["score"], result["passed"]) == (5.0, True)
    assert result["evalhaven"]["notes"] == ["score_clamped"]
    assert result["evalhaven"]["judge"]["result"] == 0.8


@pytest.mark.parametrize("model", ["sure", "answers"])
def test_every_kind_of_content_reaches_the_judge(
    run: Run, sdk: openai.OpenAI, listener: ListeningEndpoint, model: str
) -> None:
    uploaded = sdk.files.create(file=("dot.png", PNG), purpose="vision")
    criterion = score_model(
        model,
        {"type": "input_text", "text": "Compare {{ sample.output_text }}"},
        {"type": "input_image", "image_url": "{{ item.picture }}"},
        {"type": "input_image", "file_id": uploaded.id},
        {"type": "input_file", "file_data": "data:text/plain;base64,eA==", "filename": "x.txt"},
        {"type": "input_audio", "input_audio": {"data": "{{ item.sound }}", "format": "wav"}},
    )
    # A conversation that went before, to be judged as it went.
    criterion["input"].insert(0, {"role": "assistant", "content": "Earlier: {{ item.q }}"})
    ended, (item,) = run(jsonl({"q": "q", "picture": "https://a.example/p.png", "sound": "UklGRg=="}), criterion)
    sent = bodies(listener, model)[-1]
    parts = sent["messages" if model == "sure" else "input"][1]["content"]
    kinds = [part["type"] for part in parts]

    assert counts(ended) == (1, 0, 0), item.results
    if model == "sure":
        assert kinds == ["text", "image_url", "image_url", "file", "input_audio"]
        assert parts[2]["image_url"]["url"].startswith("data:image/png;base64,")
        assert sent["messages"][0] == {"role": "assistant", "content": "Earlier: q"}
    else:
        assert kinds == ["input_text", "input_image", "input_image", "input_file", "input_audio"]
        assert sent["text"]["format"]["name"] == "float_score_classification"
        assert sent["store"] is False
    shown = result_of(item)["sample"]["input"][1]["content"]
    assert shown.startswith("Compare The capital is Bern. <image>https://a.example/p.png</image> <image>")


def test_tokens_and_dollars_of_target_and_judge_are_counted_apart_and_exactly(run: Run) -> None:
    judged = label_model("priced-judge", "It says {{ sample.output_text }} indeed")
    ended, items = run(sampled({"a": "yes"}, {"a": "no"}, {"a": "yes yes"}), judged)
    extension = extension_of(ended)
    [target], [judge] = extension["usage_split"]["target"], extension["usage_split"]["judge"]

    assert counts(ended) == (2, 1, 0)
    rows = ended.model_dump()["per_model_usage"]
    assert {row["model_name"]: row["invocation_count"] for row in rows} == {"target": 3, "priced-judge": 3}
    for split, usages in (
        (target, [item.sample.usage.model_dump() for item in items]),
        (judge, [result_of(item)["sample"]["usage"] for item in items]),
    ):
        for key in ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens"):
            assert split[key] == sum(usage[key] for usage in usages)
    assert extension["cost"] == {
        "target": target["prompt_tokens"] + 2.0 * target["completion_tokens"],
        "judge": 10.0 * judge["prompt_tokens"] + 20.0 * judge["completion_tokens"],
    }
    assert extension["cost"]["judge"] == sum(result_of(item)["evalhaven"]["calls"][0]["cost"] for item in items)
    assert extension["limiter"]["endpoint"] == "rules"
    assert [each["criterion"] for each in extension["limiter"]["judges"]] == ["by priced-judge"]


def test_a_judgement_is_taken_from_the_cache_where_the_run_wants_it(run: Run, listener: ListeningEndpoint) -> None:
    source = jsonl({"q": "remember 1"}, {"q": "remember 2"})
    before = len(listener.requests)
    first, _ = run(source, score_model("sure"), cache=True)
    second, items = run(source, score_model("sure"), cache=True)
    made = len(listener.requests) - before
    third, _ = run(source, score_model("sure"))

    assert (made, len(listener.requests) - before) == (2, 4)
    assert (extension_of(first)["cache_hits"], extension_of(second)["cache_hits"]) == (0, 2)
    assert (second.per_model_usage, third.per_model_usage[0].invocation_count) == ([], 2)
    assert counts(second) == counts(third) == (2, 0, 0)
    assert result_of(items[0])["evalhaven"]["calls"][0]["cached"] is True
    assert result_of(items[0])["sample"]["usage"]["total_tokens"] == 42
    assert "/evalhaven/cache" not in [each["pointer"] for each in extension_of(first)["warnings"]]


def test_what_could_not_be_read_is_not_remembered(run: Run, listener: ListeningEndpoint) -> None:
    before = len(listener.requests)
    for calls in (1, 2):
        ended, _ = run(jsonl({"q": "unread"}), score_model("talks"), cache=True)
        assert (counts(ended), len(listener.requests) - before) == ((0, 0, 1), calls)


def test_a_run_that_spends_its_budget_on_judging_stops_and_keeps_what_it_finished(run: Run) -> None:
    source = jsonl(*[{"says": "yes"}] * 500)
    judged = label_model("priced-judge", "It says {{ item.says }}")
    ended, items = run(source, judged, budget={"cost": 1000.0}, max_concurrency=2)
    cost = extension_of(ended)["cost"]

    assert ended.error is not None
    assert (ended.status, ended.error.code) == ("failed", "budget_exceeded")
    assert (cost["target"], len(items)) == (0.0, ended.result_counts.total)
    # 3 tokens for 10 dollars each and 1 for 20: 20 judgements; two more may have been under way.
    assert 1000.0 <= cost["judge"] <= 1100.0
    assert extension_of(ended)["warnings"] == []


def test_a_judge_whose_calls_all_fail_alike_ends_the_run_though_its_model_answers(run: Run) -> None:
    ended, _ = run(sampled(*[{"a": "x", "q": "q"}] * 600), score_model("locked"))

    assert ended.error is not None
    assert (ended.status, ended.error.code) == ("failed", "no_such_key")
    assert ended.result_counts.total == ended.result_counts.errored < 600


@ON_ONE_DATABASE
def test_a_judge_nobody_serves_or_prices_is_refused_when_a_run_is_made(sdk: openai.OpenAI, run: Run) -> None:
    with pytest.raises(openai.BadRequestError) as unknown:
        run(jsonl({"q": "q"}), score_model("sure"), score_model("gpt-9"))
    with pytest.raises(openai.BadRequestError) as unpriced:
        run(jsonl({"q": "q"}), score_model("sure"), budget={"cost": 1.0})
    with pytest.raises(openai.BadRequestError) as empty:
        run(jsonl({"q": "q"}), {**score_model("sure"), "input": []})

    assert unknown.value.param == "testing_criteria[1].model"
    unserved = score_model("gpt-9")
    forms: list[tuple[Any, str]] = [
        (unserved, "testing_criteria[0].graders.model"),
        ([unserved], "testing_criteria[0].graders[0].model"),
        ({"m": unserved}, "testing_criteria[0].graders.m.model"),
    ]
    for graders, param in forms:
        with pytest.raises(openai.BadRequestError) as inside:
            run(jsonl({"q": "q"}), {"type": "multi", "name": "all", "graders": graders, "calculate_output": "1"})
        assert inside.value.param == param
    assert "'by gpt-9'" in unknown.value.message
    assert "priced-judge" in unknown.value.message
    assert unpriced.value.param == "evalhaven.budget.cost"
    assert (empty.value.param, "asked something" in empty.value.message) == ("testing_criteria[0].input", True)


@pytest.mark.parametrize(
    ("model", "response_format", "notes"),
    [
        ("loose", "json_schema", ["without_strict_schema"]),
        ("old", "json_object", ["without_schema", "read_from_text"]),
        ("older", None, ["without_json_mode", "read_from_text"]),
    ],
)
def test_an_endpoint_without_structured_outputs_is_asked_for_less_and_that_is_said(
    run: Run, listener: ListeningEndpoint, model: str, response_format: str | None, notes: list[str]
) -> None:
    criterion = score_model(model)
    criterion["input"].insert(0, {"role": "developer", "content": "Be fair."})
    ended, (item,) = run(jsonl({"q": "capital"}), criterion)
    sent = bodies(listener, model)[-1]
    result = result_of(item)
    [warning] = extension_of(ended)["warnings"]

    assert (result["score"], result["passed"]) == (0.8, True)
    assert result["evalhaven"]["notes"] == notes
    assert sent.get("response_format", {}).get("type") == response_format
    assert warning["pointer"] == "/testing_criteria/0"
    assert f"'{model}'" in warning["message"]
    if model == "loose":
        assert "strict" not in sent["response_format"]["json_schema"]
    else:
        assert "float_score" not in sent["messages"][0]["content"]
        assert '"result"' in sent["messages"][0]["content"]
        assert result["sample"]["input"][0]["content"] == sent["messages"][0]["content"], "and is shown as it was sent"


def test_a_judge_is_asked_without_what_an_item_lacks_and_the_result_names_it(
    run: Run, listener: ListeningEndpoint
) -> None:
    judge = score_model("sure", "Rate <{{ item.lost }}> of {{ item.lost }} and {{ item.q }}")
    multi = {"type": "multi", "name": "m", "graders": judge, "calculate_output": "1 - 0.5"}
    ended, items = run(jsonl({"q": "q"}, {"q": "r", "lost": "found"}), judge, multi)
    lacking, whole = (result_of(item) for item in items)
    sent = [body["messages"][0]["content"] for body in bodies(listener, "sure")[-4:]]

    assert sorted(sent) == ["Rate <> of  and q"] * 2 + ["Rate <found> of found and r"] * 2
    assert (counts(ended), extension_of(ended)["unresolved"]) == ((2, 0, 0), 1)
    assert (lacking["score"], lacking["passed"]) == (0.8, True)
    assert lacking["sample"]["input"] == [{"role": "user", "content": "Rate <> of  and q"}]
    assert lacking["evalhaven"]["unresolved"] == ["item.lost"]
    assert "unresolved" not in whole["evalhaven"]
    assert (result_of(items[0], 1)["score"], result_of(items[0], 1)["evalhaven"]["unresolved"]) == (0.5, ["item.lost"])
    [warning] = extension_of(ended)["warnings"]
    assert warning["pointer"] == "/testing_criteria"
    assert warning["message"].startswith("1 item has no value for a placeholder of a criterion.")


def test_a_judge_works_offline_without_any_configuration(run: Run) -> None:
    score = score_model("scripted", "Rate it. ANSWER: {{ item.score }}", range=[0, 10])
    label = label_model("scripted", "Sort it. ANSWER: {{ item.label }}")
    ended, items = run(jsonl({"score": 7, "label": "yes"}, {"score": 2, "label": "no"}), score, label)

    assert counts(ended) == (1, 1, 0)
    assert [[result_of(item, number)["score"] for number in (0, 1)] for item in items] == [[7.0, 1.0], [2.0, 0.0]]
