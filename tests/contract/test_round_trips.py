"""What users send comes back byte for byte: items, inline rows, names, metadata, model output."""

import json
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import MakeEval, RunToEnd, Upload, eval_body, file_source, string_check, wait_for_end

ITEMS = {
    "float forms": '{"a":1.50,"b":1e2,"c":-0.0,"d":1E+2,"e":0.1000000000000000055511151231257827}',
    "integers of any size": '{"a":9007199254740993,"b":18446744073709551616,"c":-123456789012345678901234567890}',
    "U+0000 escaped": '{"a":"x\\u0000y","\\u0000":"key"}',
    "lone surrogates": '{"a":"\\ud800","\\udfff":[{"b":"x\\uDC00y"}]}',
    "escapes as written": '{"a":"\\u00e9\\/\\u0041","b":"é"}',
    "keys in their order": '{"z":1,"a":2,"m":{"y":1,"b":2}}',
    "duplicate keys": '{"a":1,"a":2}',
    "white space inside": '{ "a" : [ 1 ,\t2 ] }',
    "nothing": "{}",
    "every kind": '{"a":null,"b":[true,false,[],{}],"c":"","😀":"😀"}',
    "text that looks like rows": '{"a":"]},{\\"item\\": {","b":"\\\\"}',
    "line separators": '{"a":"\u2028\u2029\x7f"}',
    "deep": '{"a":' + "[" * 200 + "]" * 200 + "}",
}


@pytest.fixture(scope="module")
def parent(make_eval: MakeEval) -> str:
    return make_eval(testing_criteria=[string_check(input="", reference="")])["id"]


def _items_text(http: httpx2.Client, run: dict[str, Any]) -> str:
    path = f"/v1/evals/{run['eval_id']}/runs/{run['id']}/output_items"
    listed = http.get(path)
    [item] = listed.json()["data"]
    alone = http.get(f"{path}/{item['id']}").text
    assert alone in listed.text, "an item looks the same alone and in a list"
    return alone


@pytest.mark.parametrize("name", ITEMS)
def test_inline_rows_and_their_items_come_back_as_written(http: httpx2.Client, parent: str, name: str) -> None:
    row = f'{{"item":{ITEMS[name]}}}'
    body = f'{{"data_source":{{"source":{{"content":[{row}],"type":"file_content"}},"type":"jsonl"}}}}'
    answer = http.post(f"/v1/evals/{parent}/runs", content=body.encode())
    assert answer.status_code == 201, answer.text
    echo = f'"data_source":{{"source":{{"content":[{row}],"type":"file_content"}},"type":"jsonl"}}'
    assert echo in answer.text
    run = wait_for_end(http, answer.json())
    assert run["result_counts"]["passed"] == 1
    assert echo in http.get(f"/v1/evals/{parent}/runs/{run['id']}").text
    assert echo in http.get(f"/v1/evals/{parent}/runs?limit=1").text
    assert f'"datasource_item":{ITEMS[name]},' in _items_text(http, run)


@pytest.mark.parametrize("name", ITEMS)
def test_rows_of_a_file_come_back_as_written(
    http: httpx2.Client, upload: Upload, run_to_end: RunToEnd, parent: str, name: str
) -> None:
    file_id = upload(f'{{"item":{ITEMS[name]}}}\r\n'.encode())
    run = run_to_end({"id": parent}, data_source=file_source(file_id))
    assert run["result_counts"]["passed"] == 1, run["error"]
    assert f'"datasource_item":{ITEMS[name]},' in _items_text(http, run)


def test_many_inline_rows_are_echoed_in_full(http: httpx2.Client, parent: str) -> None:
    rows = ",".join(f'{{"item":{{"n":{number}.50,"text":"{"x" * 500}"}}}}' for number in range(6000))
    body = f'{{"data_source":{{"type":"jsonl","source":{{"type":"file_content","content":[{rows}]}}}}}}'
    answer = http.post(f"/v1/evals/{parent}/runs", content=body)
    assert answer.status_code == 201
    assert f'"content":[{rows}]' in answer.text
    http.delete(f"/v1/evals/{parent}/runs/{answer.json()['id']}")


def test_a_file_may_begin_with_a_byte_order_mark_and_hold_blank_lines(
    http: httpx2.Client, upload: Upload, run_to_end: RunToEnd, parent: str
) -> None:
    content = b'\xef\xbb\xbf\r\n{"item":{"n":0}}\r\n\r\n  \n{"item":{"n":1}}'
    run = run_to_end({"id": parent}, data_source=file_source(upload(content, filename="rows.json")))
    assert run["result_counts"]["total"] == 2
    path = f"/v1/evals/{parent}/runs/{run['id']}/output_items"
    items = http.get(path).json()["data"]
    assert {item["datasource_item_id"]: item["datasource_item"]["n"] for item in items} == {0: 0, 1: 1}


TEXTS = ["x\\u0000y", "\\ud800", "é😀", '\\\\ \\" \\/', "<script>", "\\u2028", " "]


@pytest.mark.parametrize("text", TEXTS)
def test_names_and_metadata_come_back(http: httpx2.Client, parent: str, text: str) -> None:
    named = f'{{"name":"{text}","metadata":{{"{text}":"{text}"}}'
    expected = {"name": json.loads(f'"{text}"'), "metadata": {json.loads(f'"{text}"'): json.loads(f'"{text}"')}}
    evaluation = json.dumps(eval_body())[1:]
    row = '"data_source":{"type":"jsonl","source":{"type":"file_content","content":[{"item":{"a":"1"}}]}}}'
    for path, rest in (("/v1/evals", evaluation), (f"/v1/evals/{parent}/runs", row)):
        answer = http.post(path, content=f"{named},{rest}".encode())
        assert answer.status_code == 201, answer.text
        for shown in (answer.json(), http.get(f"{path}/{answer.json()['id']}").json()):
            assert {key: shown[key] for key in expected} == expected
    http.delete(f"/v1/evals/{parent}/runs/{answer.json()['id']}")


@pytest.mark.parametrize("text", TEXTS)
def test_model_output_comes_back(http: httpx2.Client, parent: str, text: str) -> None:
    sample = f'{{"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}}}}]}}'
    row = f'{{"item":{{}},"sample":{sample}}}'
    body = f'{{"data_source":{{"type":"jsonl","source":{{"type":"file_content","content":[{row}]}}}}}}'
    answer = http.post(f"/v1/evals/{parent}/runs", content=body.encode())
    run = wait_for_end(http, answer.json())
    [shown] = json.loads(_items_text(http, run))["sample"]["output"]
    assert shown["content"] == json.loads(f'"{text}"')


def test_text_that_a_criterion_compares_may_hold_anything(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    odd = "\x00 \ud800 é 😀 {{ item.b }} \\"
    parent = make_eval(testing_criteria=[string_check(reference=odd.replace("{{ item.b }}", "{{ item.b }}"))])
    echoed = http.get(f"/v1/evals/{parent['id']}").json()["testing_criteria"][0]["reference"]
    assert echoed == odd
    run = run_to_end(parent, [{"item": {"a": odd.replace("{{ item.b }}", "B"), "b": "B"}}])
    assert run["result_counts"]["passed"] == 1


BIG = "123456789012345678901234567890"


def test_large_integers_in_schemas_and_tools_come_back(http: httpx2.Client, parent: str) -> None:
    body = (
        f'{{"data_source_config":{{"type":"custom","item_schema":{{"type":"object","x-limit":{BIG}}}}},'
        '"testing_criteria":[]}'
    )
    answer = http.post("/v1/evals", content=body)
    assert answer.status_code == 201, answer.text
    assert BIG in answer.text
    assert BIG in http.get(f"/v1/evals/{answer.json()['id']}").text
    source = (
        '{"type":"responses","source":{"type":"file_content","content":[{"item":{}}]},"model":"m",'
        '"input_messages":{"type":"template","template":[{"role":"user","content":"?"}]},'
        f'"sampling_params":{{"seed":{BIG},"tools":[{{"type":"x","limit":{BIG}}}]}}}}'
    )
    answer = http.post(f"/v1/evals/{parent}/runs", content=f'{{"data_source":{source}}}')
    assert answer.status_code == 201, answer.text
    assert answer.text.count(BIG) == 2


def test_large_integers_in_recorded_output_come_back(http: httpx2.Client, parent: str) -> None:
    call = f'{{"id":"c","type":"function","function":{{"name":"f","arguments":"{{}}"}},"index":{BIG}}}'
    message = f'{{"role":"assistant","content":null,"tool_calls":[{call}]}}'
    row = f'{{"item":{{}},"sample":{{"choices":[{{"message":{message}}}],"usage":{{"total_tokens":{BIG}}}}}}}'
    body = f'{{"data_source":{{"type":"jsonl","source":{{"type":"file_content","content":[{row}]}}}}}}'
    run = wait_for_end(http, http.post(f"/v1/evals/{parent}/runs", content=body).json())
    assert run["status"] == "completed", run["error"]
    assert call in _items_text(http, run)
