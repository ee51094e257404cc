"""What a history of runs is made of: steps on a real server, each followed by a look at all that it shows."""

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import psutil

from tests.contract.conftest import FINAL, file_source, inline_source
from tests.hostile.known import JsonObject, KnownRun, Rows
from tests.server import Server
from tests.system.client import CRITERIA, ITEM_SCHEMA, wait_until
from tests.system.inside import executors_of

TIMEOUT_S = 60.0
_MOST_RUNS = 10
_SIZES = (1, 2, 7, 300, 1_000)
_LONG = 4_000  # items of a run that is still under way when it is met
_PAGE = 1_000


@dataclass
class History:
    """Takes random steps on one server and compares all that it answers with the model.

    Attributes:
        told: The steps taken, for the report of a failure.
    """

    server: Server
    client: httpx2.Client
    chance: random.Random
    told: list[str] = field(default_factory=list[str])
    evals: set[str] = field(default_factory=set[str])
    runs: dict[str, KnownRun] = field(default_factory=dict[str, KnownRun])
    files: dict[str, Rows] = field(default_factory=dict[str, Rows])
    gone: list[str] = field(default_factory=list[str])

    def take_steps(self, count: int) -> None:
        """Take steps, and look at everything after each; every kind comes by its weight before any comes again."""
        weights: list[tuple[int, Callable[[], str | None]]] = [
            (2, self.create_eval),
            (4, self.create_inline_run),
            (2, self.upload),
            (4, self.create_file_run),
            (2, self.cancel),
            (3, self.cancel_midway),
            (2, self.delete_run),
            (1, self.delete_eval),
            (2, self.delete_file),
            (1, self.kill_server),
            (2, self.kill_server_midway),
            (1, self.kill_executor),
            (2, self.kill_executor_midway),
            (1, self.stop_server_midway),
            (2, self.kill_while_creating),
            (1, self.kill_while_ending),
            (2, self.pause),
            (1, self.wait_for_all),
        ]
        deck: list[Callable[[], str | None]] = []
        for number in range(count):
            if not deck:
                deck = [step for weight, step in weights for _ in range(weight)]
                self.chance.shuffle(deck)
            step = deck.pop()
            self.told.append(f"{number}. {step.__name__}")
            self.told[-1] += f": {step()}"
            self.look()

    def create_eval(self) -> str:
        config = {"type": "custom", "item_schema": ITEM_SCHEMA}
        made = self._post("/v1/evals", 201, {"data_source_config": config, "testing_criteria": CRITERIA})["id"]
        self.evals.add(made)
        return made

    def create_inline_run(self) -> str:
        eval_id = self._an_eval()
        rows = Rows(self.chance.choice((0, *_SIZES)))
        path, body = f"/v1/evals/{eval_id}/runs", _inline(rows)
        if not rows.count:
            self._post(path, 400, body)
            return "refused: no rows"
        made = self._post(path, 201, body)["id"]
        self.runs[made] = KnownRun(eval_id, rows)
        return f"{made}, {rows}"

    def upload(self, rows: Rows | None = None) -> str:
        if rows is None:
            rows = Rows(self.chance.choice((0, *_SIZES, *_SIZES)))
            rows = replace(rows, is_broken=rows.count > 0 and self.chance.random() < 0.2)
        content = "".join(json.dumps({"item": item}) + "\n" for item in rows.items).encode()
        answer = self.client.post("/v1/files", files={"file": ("f", content)}, data={"purpose": "evals"})
        assert answer.status_code == 200, answer.text
        made: str = answer.json()["id"]
        self.files[made] = rows
        return made

    def create_file_run(self) -> str | None:
        file_id = self._some(self.files)
        if file_id is None:
            return None
        return self._create_file_run(file_id)

    def _create_file_run(self, file_id: str) -> str:
        eval_id = self._an_eval()
        made = self._post(f"/v1/evals/{eval_id}/runs", 201, {"data_source": file_source(file_id)})["id"]
        self.runs[made] = KnownRun(eval_id, self.files[file_id])
        return made

    def cancel(self) -> str | None:
        run_id = self._some(self.runs)
        if run_id is None:
            return None
        self._cancel(run_id)
        return f"{run_id}, now {self.runs[run_id].status}"

    def cancel_midway(self) -> str:
        """Cancel a run of which some items are stored and some are not."""
        run_id = self._midway()
        self._cancel(run_id)
        return f"{run_id}, now {self.runs[run_id].status} with {self.runs[run_id].total} items"

    def delete_run(self) -> str | None:
        run_id = self._some(self.runs)
        if run_id is not None:
            self._delete_run(run_id)
        return run_id

    def delete_eval(self) -> str | None:
        eval_id = self._some(self.evals)
        if eval_id is None:
            return None
        assert self.client.delete(f"/v1/evals/{eval_id}").status_code == 200
        self.evals.remove(eval_id)
        self.gone.append(f"/v1/evals/{eval_id}")
        for run_id in [run_id for run_id, run in self.runs.items() if run.eval_id == eval_id]:
            self._forget(run_id)
        return eval_id

    def delete_file(self) -> str | None:
        file_id = self._some(self.files)
        if file_id is None:
            return None
        assert self.client.delete(f"/v1/files/{file_id}").status_code == 200
        del self.files[file_id]
        self.gone.append(f"/v1/files/{file_id}")
        return file_id

    def kill_server(self) -> str:
        self.server.kill()
        time.sleep(self.chance.choice((0.0, 0.1)))
        self.server.restart()
        return "SIGKILL"

    def kill_server_midway(self) -> str:
        """Kill the server while a run is stored."""
        return f"{self._midway()}, {self.kill_server()}"

    def stop_server_midway(self) -> str:
        """End the server in good order while a run is stored."""
        run_id = self._midway()
        assert self.server.stop() == 0
        self.server.restart()
        return f"{run_id}, SIGTERM"

    def kill_executor_midway(self) -> str:
        """Kill the executor alone while a run is stored."""
        return f"{self._midway()}, {self.kill_executor()}"

    def kill_executor(self) -> str:
        found = executors_of(self.server.data_dir)
        for process in found:
            process.kill()
        psutil.wait_procs(found, timeout=10)
        return f"{len(found)} killed"

    def kill_while_creating(self) -> str:
        """Kill the server while it creates a run; the same request with its key then makes one run, not two."""
        eval_id = self._an_eval()
        rows = Rows(self.chance.choice(_SIZES))
        key = {"idempotency-key": f"key-{len(self.told)}"}
        path, body = f"/v1/evals/{eval_id}/runs", _inline(rows)
        first = self._answer_while_killed("POST", path, json=body, headers=key)
        second = self.client.post(path, json=body, headers=key)
        assert second.status_code == 201, second.text
        made = second.json()["id"]
        assert first is None or (first.status_code, first.json()["id"]) == (201, made)
        self.runs[made] = KnownRun(eval_id, rows)
        return f"{made}, {rows}, first {'lost' if first is None else 'answered'}"

    def kill_while_ending(self) -> str | None:
        """Kill the server while it cancels or deletes a run, and repeat the request."""
        run_id = self._some(self.runs)
        if run_id is None:
            return None
        if self.chance.random() < 0.5:
            self.runs[run_id].may_be_canceled = True
            self._answer_while_killed("POST", self._path(run_id))
            self._cancel(run_id)
            return f"canceled {run_id}"
        self._answer_while_killed("DELETE", self._path(run_id))
        assert self.client.delete(self._path(run_id)).status_code in {200, 404}
        self._forget(run_id)
        return f"deleted {run_id}"

    def pause(self) -> str:
        seconds = self.chance.choice((0.0, 0.02, 0.1, 0.4))
        time.sleep(seconds)
        return f"{seconds} s"

    def wait_for_all(self) -> str:
        """Wait until every run has ended."""

        def have_all_ended() -> bool:
            self._look_at_runs()
            return all(run.ended is not None for run in self.runs.values())

        took_s = wait_until(have_all_ended, "every run has ended", TIMEOUT_S, pause_s=0.05)
        return f"{took_s:.1f} s"

    def look(self) -> None:
        """Compare all that the server shows with the model."""
        assert {each["id"] for each in self._all("/v1/evals")} == self.evals
        assert {each["id"] for each in self._all("/v1/files")} == self.files.keys()
        self._look_at_runs()
        for path in self.chance.sample(self.gone, min(4, len(self.gone))):
            assert self.client.get(path).status_code == 404, path

    def _look_at_runs(self) -> None:
        for eval_id in self.evals:
            listed = {run["id"]: run for run in self._all(f"/v1/evals/{eval_id}/runs")}
            assert listed.keys() == {run_id for run_id, run in self.runs.items() if run.eval_id == eval_id}
            for run_id, run in listed.items():
                self._look_at(run_id, run)

    def _look_at(self, run_id: str, run: JsonObject) -> None:
        known = self.runs[run_id]
        if known.sees_end(run):
            known.check_end(run, self._all(f"{self._path(run_id)}/output_items"))

    def _midway(self) -> str:
        """Return a run that is being stored, and was in the middle of it a moment ago."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            file_id = next((each for each, rows in self.files.items() if rows.count == _LONG), None)
            run_id = self._create_file_run(file_id or self.upload(Rows(_LONG)))
            while (run := self._run(run_id))["status"] not in FINAL:
                self._look_at(run_id, run)
                if run["result_counts"]["total"]:
                    time.sleep(self.chance.uniform(0.0, 0.1))
                    return run_id
        raise AssertionError(f"no run of {_LONG} items was ever met midway")

    def _an_eval(self) -> str:
        """Return some eval, made if there is none, and make room for another run."""
        if len(self.runs) >= _MOST_RUNS:
            # Not one under way: what a kill did to it shows at its end.
            self.wait_for_all()
            self._delete_run(next(iter(self.runs)))
        return self._some(self.evals) or self.create_eval()

    def _run(self, run_id: str) -> JsonObject:
        answer = self.client.get(self._path(run_id))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def _delete_run(self, run_id: str) -> None:
        assert self.client.delete(self._path(run_id)).status_code == 200
        self._forget(run_id)

    def _cancel(self, run_id: str) -> None:
        self.runs[run_id].may_be_canceled = True
        answer = self._post(self._path(run_id), 200)
        assert answer["status"] in FINAL
        # From here on nothing of it may change.
        self._look_at(run_id, answer)

    def _answer_while_killed(self, method: str, path: str, **request: Any) -> httpx2.Response | None:
        """Send a request and kill the server meanwhile; return the answer if there was one in time."""
        answers: list[httpx2.Response] = []

        def send() -> None:
            try:
                answers.append(httpx2.request(method, f"{self.server.url}{path}", timeout=TIMEOUT_S, **request))
            except httpx2.TransportError:
                return

        sender = threading.Thread(target=send)
        sender.start()
        time.sleep(self.chance.uniform(0.0, 0.06))
        self.server.kill()
        sender.join()
        self.server.restart()
        return answers[0] if answers else None

    def _all(self, path: str) -> list[JsonObject]:
        """Return a whole list, page by page; no object is in it twice."""
        found: list[JsonObject] = []
        query: dict[str, Any] = {"limit": self.chance.choice((7, _PAGE)) if "output_items" not in path else _PAGE}
        while True:
            answer = self.client.get(path, params=query)
            assert answer.status_code == 200, answer.text
            found += answer.json()["data"]
            if not answer.json()["has_more"]:
                break
            query["after"] = answer.json()["last_id"]
        assert len({each["id"] for each in found}) == len(found)
        return found

    def _post(self, path: str, status: int, body: JsonObject | None = None) -> JsonObject:
        answer = self.client.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def _path(self, run_id: str) -> str:
        return f"/v1/evals/{self.runs[run_id].eval_id}/runs/{run_id}"

    def _forget(self, run_id: str) -> None:
        self.gone += [self._path(run_id), f"{self._path(run_id)}/output_items"]
        del self.runs[run_id]

    def _some(self, ids: "set[str] | dict[str, Any]") -> str | None:
        return self.chance.choice(sorted(ids)) if ids else None


def _inline(rows: Rows) -> JsonObject:
    return {"data_source": inline_source([{"item": item} for item in rows.items])}
