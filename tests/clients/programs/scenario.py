"""The scenario with OpenAI's Python SDK: `python scenario.py URL [azure]`, facts on stdin, what was seen on stdout."""

import json
import sys
import time
from typing import Any

import openai
import pydantic

FINAL = ("completed", "failed", "canceled")


def main(base_url: str, kind: str = "openai") -> None:
    """Do the scenario and print what the client saw."""
    given = json.load(sys.stdin)
    if kind == "azure":
        client: openai.OpenAI = openai.AzureOpenAI(
            azure_endpoint=base_url, api_key="any", api_version="2025-04-01-preview"
        )
    else:
        client = openai.OpenAI(base_url=f"{base_url}/v1", api_key="any")
    with client:
        sys.stdout.write(json.dumps(Scenario(client, given).play()))


class Scenario:
    """What is done with a client, and what it saw."""

    def __init__(self, client: openai.OpenAI, given: dict[str, Any]) -> None:
        self.client = client
        self.given = given
        self.problems: list[str] = []
        self.seen: dict[str, Any] = {"version": openai.__version__, "problems": self.problems}

    def play(self) -> dict[str, Any]:
        """Do the scenario; return what the client saw."""
        eval_id = self.handle_evals()
        file_id = self.handle_files()
        self.send_parts()
        inline: Any = {"type": "jsonl", "source": {"type": "file_content", "content": self.given["rows"]}}
        ended = self.run_to_end(eval_id, "inline", inline)
        self.run_to_end(eval_id, "file", jsonl_file(file_id))
        self.list_runs(eval_id)
        self.read_items(eval_id, ended)
        self.cancel_runs(eval_id, ended)
        self.delete_all(eval_id, ended, file_id)
        self.be_refused(eval_id)
        return self.seen

    def handle_evals(self) -> str:
        evals = self.client.evals
        created = evals.create(**self.given["eval"])
        self.seen["created"] = self.show(created)
        self.seen["retrieved"] = self.show(evals.retrieve(created.id))
        self.seen["updated"] = self.show(evals.update(created.id, **self.given["update"]))
        self.seen["made"] = [created.id, *(evals.create(**self.given["eval"]).id for _ in range(4))]
        self.seen["first_page"] = len(evals.list(limit=2, order="asc", order_by="created_at").data)
        self.seen["listed"] = [each.id for each in evals.list(limit=2, order="asc", order_by="created_at")]
        return created.id

    def handle_files(self) -> str:
        name, content = self.given["file"]["name"], self.given["file"]["content"].encode()
        uploaded = self.client.files.create(file=(name, content), purpose="evals")
        self.seen["file"] = self.show(uploaded)
        self.seen["file_content"] = self.client.files.content(uploaded.id).text
        return uploaded.id

    def send_parts(self) -> None:
        name, content = self.given["file"]["name"], self.given["file"]["content"].encode()
        uploads: Any = self.client.uploads
        chunked = {"file": content, "filename": name, "bytes": len(content), "part_size": len(content) // 3}
        done = uploads.upload_file_chunked(**chunked, mime_type="application/jsonl", purpose="evals")
        self.seen["upload"] = self.show(done)
        self.seen["upload_content"] = self.client.files.content(done.file.id).text
        dropped = uploads.create(bytes=1, filename=name, mime_type="application/jsonl", purpose="evals")
        self.seen["part"] = self.show(uploads.parts.create(dropped.id, data=b"x"))
        self.seen["canceled_upload"] = self.show(uploads.cancel(dropped.id))

    def run_to_end(self, eval_id: str, name: str, source: Any) -> str:
        runs = self.client.evals.runs
        run: Any = runs.create(eval_id, name=name, data_source=source, metadata=self.given["metadata"])
        self.seen[f"started_{name}"] = self.show(run)
        while run.status not in FINAL:
            time.sleep(0.05)
            run = runs.retrieve(run.id, eval_id=eval_id)
        self.seen[f"ended_{name}"] = self.show(run)
        return run.id

    def list_runs(self, eval_id: str) -> None:
        runs = self.client.evals.runs
        completed = runs.list(eval_id, limit=1, order="asc", status="completed")
        self.seen["runs"] = [each.name for each in runs.list(eval_id, limit=1, order="asc")]
        self.seen["completed_runs"] = [each.name for each in completed]

    def read_items(self, eval_id: str, run_id: str) -> None:
        items = self.client.evals.runs.output_items
        listed = list(items.list(run_id, eval_id=eval_id, limit=3, order="asc"))
        failed = items.list(run_id, eval_id=eval_id, limit=1, status="fail")
        self.seen["items"] = [self.show(each) for each in listed]
        self.seen["item"] = self.show(items.retrieve(listed[0].id, eval_id=eval_id, run_id=run_id))
        self.seen["failed_items"] = [each.datasource_item_id for each in failed]

    def cancel_runs(self, eval_id: str, ended: str) -> None:
        runs = self.client.evals.runs
        run: Any = runs.create(eval_id, data_source=jsonl_file(self.given["large_file_id"]))
        while run.status == "queued":
            time.sleep(0.01)
            run = runs.retrieve(run.id, eval_id=eval_id)
        self.seen["under_way"] = run.status
        self.seen["canceled"] = self.show(runs.cancel(run.id, eval_id=eval_id))
        self.seen["canceled_later"] = self.show(runs.retrieve(run.id, eval_id=eval_id))
        self.seen["cancel_of_ended"] = self.show(runs.cancel(ended, eval_id=eval_id))

    def delete_all(self, eval_id: str, run_id: str, file_id: str) -> None:
        self.seen["deleted_run"] = self.show(self.client.evals.runs.delete(run_id, eval_id=eval_id))
        self.seen["deleted_evals"] = [self.show(self.client.evals.delete(each)) for each in self.seen["made"]]
        self.seen["deleted_file"] = self.show(self.client.files.delete(file_id))

    def be_refused(self, eval_id: str) -> None:
        try:
            self.client.evals.retrieve(eval_id)
        except openai.APIStatusError as error:
            self.seen["not_found"] = shown_error(error)
        try:
            self.client.evals.create(**self.given["bad_eval"])
        except openai.APIStatusError as error:
            self.seen["bad_request"] = shown_error(error)

    def show(self, value: Any) -> Any:
        """Return a parsed object as plain JSON, noting where the SDK's own model disagrees with it.

        A null that the model does not allow is not noted, since the hosted API sends it in the same places.
        """
        plain = value.to_dict(mode="json")
        try:
            type(value).model_validate(plain, strict=True)
        except pydantic.ValidationError as error:
            for each in error.errors():
                if each["input"] is not None:
                    path = ".".join(str(step) for step in each["loc"])
                    self.problems.append(f"{type(value).__name__}.{path}: {each['type']}")
        return plain


def jsonl_file(file_id: str) -> Any:
    """Return a data source that reads a file."""
    return {"type": "jsonl", "source": {"type": "file_id", "id": file_id}}


def shown_error(error: openai.APIStatusError) -> dict[str, Any]:
    """Return what an error says."""
    return {
        "kind": type(error).__name__,
        "status": error.status_code,
        "message": error.message,
        "param": error.param,
        "code": error.code,
        "type": error.type,
        "request_id": error.request_id,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
