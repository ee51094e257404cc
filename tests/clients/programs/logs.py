"""Calls to models that are stored, with OpenAI's Python SDK: `python logs.py URL [azure]`, as `scenario.py`."""

import json
import sys
import time
from typing import Any

import openai


def main(base_url: str, kind: str = "openai") -> None:
    """Do the calls and print what the client saw."""
    given = json.load(sys.stdin)
    if kind == "azure":
        client: openai.OpenAI = openai.AzureOpenAI(
            azure_endpoint=base_url, api_key="any", api_version="2025-04-01-preview"
        )
    else:
        client = openai.OpenAI(base_url=f"{base_url}/v1", api_key="any")
    with client:
        sys.stdout.write(json.dumps(Calls(client, given).play()))


class Calls:
    """What is done with a client, and what it saw."""

    def __init__(self, client: openai.OpenAI, given: dict[str, Any]) -> None:
        self.client = client
        self.given = given
        self.seen: dict[str, Any] = {"version": openai.__version__}

    def play(self) -> dict[str, Any]:
        """Do the calls; return what the client saw."""
        self.complete()
        self.respond()
        self.evaluate()
        self.delete()
        return self.seen

    def complete(self) -> None:
        completions = self.client.chat.completions
        metadata = self.given["metadata"]
        asked: list[Any] = [
            {"model": "scripted", "store": True, "metadata": metadata, "messages": [each]}
            for each in self.given["messages"]
        ]
        whole = [completions.create(**each) for each in asked]
        chunks = list(completions.create(**asked[0], stream=True))
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        self.completion_ids = [*[each.id for each in whole], chunks[0].id]
        self.seen["answered"] = [*[each.choices[0].message.content for each in whole], streamed]
        listed = list(completions.list(metadata=metadata, limit=2))
        self.seen["listed"] = [each.id for each in listed] == self.completion_ids[::-1]
        self.seen["stored"] = [each.choices[0].message.content for each in listed]
        found = completions.retrieve(self.completion_ids[0])
        self.seen["retrieved"] = [found.choices[0].message.content, found.metadata]
        messages = list(completions.messages.list(self.completion_ids[0], limit=1))
        self.seen["messages"] = [[each.role, each.content] for each in messages]
        updated = completions.update(self.completion_ids[0], metadata={**metadata, "more": "1"})
        self.seen["updated"] = updated.metadata
        more = {**metadata, "more": "1"}
        self.seen["found"] = [each.id for each in completions.list(metadata=more)] == self.completion_ids[:1]

    def respond(self) -> None:
        responses = self.client.responses
        common: dict[str, Any] = {"model": "scripted", "metadata": self.given["metadata"]}
        first = responses.create(input="Remember. ANSWER: noted", instructions="Be brief.", **common)
        second = responses.create(input="What? ANSWER: that", previous_response_id=first.id, **common)
        events = list(responses.create(input="ANSWER: a b c", stream=True, **common))
        streamed: Any = events[-1]
        self.response_ids = [first.id, second.id, streamed.response.id]
        found = [responses.retrieve(each) for each in self.response_ids]
        self.seen["responses"] = [each.output_text for each in found]
        self.seen["instructions"] = found[0].instructions
        self.seen["previous"] = found[1].previous_response_id == first.id
        items: list[Any] = list(responses.input_items.list(second.id, order="asc", limit=2))
        self.seen["input_items"] = [item.content[0].text for item in items]
        self.seen["unknown_previous"] = self.refusal_of_previous()

    def refusal_of_previous(self) -> Any:
        try:
            self.client.responses.create(model="scripted", input="x", previous_response_id="resp_unknown")
        except openai.APIStatusError as error:
            return [type(error).__name__, error.status_code, error.param]
        return None

    def evaluate(self) -> None:
        config: Any = {"type": "logs", "metadata": self.given["metadata"]}
        evaluation = self.client.evals.create(data_source_config=config, testing_criteria=self.given["criteria"])
        again = {
            "model": "scripted",
            "input_messages": {"type": "item_reference", "item_reference": "item.input"},
        }
        for name, kind, source in (
            ("completions", "completions", "stored_completions"),
            ("responses", "responses", "responses"),
        ):
            stored = {"type": kind, "source": {"type": source}}
            runs = [self.run_to_end(evaluation.id, each) for each in (stored, {**stored, **again})]
            self.seen[f"runs_{name}"] = [[run.status, run.result_counts.model_dump()] for run in runs]
            items = [self.items_of(run) for run in runs]
            self.seen[f"items_{name}"] = [
                [one.datasource_item_id, one.datasource_item == other.datasource_item, *self.texts(one, other)]
                for one, other in zip(*items)  # noqa: B905 - the lengths are compared by the test
            ]

    def run_to_end(self, eval_id: str, data_source: Any) -> Any:
        runs = self.client.evals.runs
        run: Any = runs.create(eval_id, data_source=data_source)
        while run.status not in ("completed", "failed", "canceled"):
            time.sleep(0.05)
            run = runs.retrieve(run.id, eval_id=eval_id)
        return run

    def items_of(self, run: Any) -> list[Any]:
        items = self.client.evals.runs.output_items.list(run.id, eval_id=run.eval_id)
        return sorted(items, key=lambda item: item.datasource_item_id)

    def texts(self, *items: Any) -> list[Any]:
        return [item.sample.output[0].content for item in items]

    def delete(self) -> None:
        deleted = [self.client.chat.completions.delete(each).deleted for each in self.completion_ids]
        for each in self.response_ids:
            self.client.responses.delete(each)
        self.seen["deleted"] = deleted
        gone = [(self.client.chat.completions.retrieve, each) for each in self.completion_ids]
        gone += [(self.client.responses.retrieve, each) for each in self.response_ids]
        self.seen["gone"] = [self.is_gone(*each) for each in gone]

    def is_gone(self, retrieve: Any, call_id: str) -> bool:
        try:
            retrieve(call_id)
        except openai.NotFoundError:
            return True
        return False


if __name__ == "__main__":
    main(*sys.argv[1:])
