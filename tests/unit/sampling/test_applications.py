"""Facts about applications of users: what they are sent, what is read from their replies, and what ends them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from evalhaven.domain.samples import ItemError, Sample
from evalhaven.sampling.calls.caller import CallFailedError, ModelCaller
from evalhaven.sampling.catalog import Catalog, Endpoint
from evalhaven.sampling.configuration.loading import Upstream, load_catalog
from evalhaven.sampling.examination import examine_endpoints
from evalhaven.sampling.messages.making import RequestError, UnsupportedRequestError
from evalhaven.sampling.protocols.item_replies import item_sample
from evalhaven.sampling.protocols.replies import read_reply
from evalhaven.sampling.protocols.reply_errors import UnusableReplyError
from evalhaven.sampling.protocols.requests import compile_judge, compile_sampling
from tests.listening_endpoint import ListeningEndpoint
from tests.unit.sampling.asking import Files

KEY = "sk-made-up-and-secret"
ECHO = "import sys; sys.stdout.write(sys.stdin.read())"


@pytest.fixture(scope="module")
def anyio_backend() -> object:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def listening() -> Iterator[ListeningEndpoint]:
    with ListeningEndpoint() as opened:
        yield opened


def loaded(directory: Path, keys: str, **environment: str) -> Catalog:
    """Return the catalogue with one application."""
    path = directory / "evalhaven.toml"
    path.write_text(f'[endpoints.app]\nprotocol = "item"\n{keys}\n')
    return load_catalog(path, Upstream(), environment)


def command(directory: Path, program: str, keys: str = "", **environment: str) -> Catalog:
    """Return the catalogue with an application whose program is this Python source."""
    (directory / "app.py").write_text(program)
    return loaded(directory, f'command = ["{sys.executable}", "-S", "app.py"]\n{keys}', **environment)


def run_of(template: Sequence[object] = (), **params: Any) -> dict[str, Any]:
    messages = {"type": "template", "template": list(template)}
    return {"type": "completions", "model": "app", "input_messages": messages, "sampling_params": params or None}


async def ask(catalog: Catalog, item: dict[str, Any], data_source: dict[str, Any] | None = None) -> Sample | ItemError:
    """Return the sample of an item as a run gets it, or why it gets none."""
    target = catalog.find("app")
    maker = compile_sampling(data_source or run_of(), target, None)
    async with ModelCaller() as caller:
        try:
            request = maker.make({"item": item}, Files())
            return (
                await caller.call(target, maker.path, request.body, lambda body: read_reply(maker.path, body))
            ).value
        except CallFailedError as error:
            return error.error


async def error_of(catalog: Catalog) -> ItemError:
    error = await ask(catalog, {})
    assert isinstance(error, ItemError)
    return error


async def sample_of(catalog: Catalog, item: dict[str, Any], data_source: dict[str, Any] | None = None) -> Sample:
    sample = await ask(catalog, item, data_source)
    assert isinstance(sample, Sample)
    return sample


def text_of(sample: Sample) -> object:
    assert sample.namespace is not None
    return sample.namespace["output_text"]


@pytest.mark.anyio
async def test_a_command_reads_the_whole_item_and_what_it_writes_is_the_answer(tmp_path: Path) -> None:
    catalog = command(tmp_path, "import json, sys\nprint(json.load(sys.stdin)['item']['q'] * 2)")

    assert text_of(await sample_of(catalog, {"q": "ab\n"})) == "ab\nab\n"


@pytest.mark.anyio
async def test_messages_and_parameters_of_the_run_are_sent_beside_the_item(tmp_path: Path) -> None:
    catalog = command(tmp_path, f"import json\nprint(json.dumps(input()), end='')\n{ECHO}", "")
    sample = await sample_of(
        catalog, {"q": 1, "n": 2**70}, run_of([{"role": "user", "content": "Is it {{ item.q }}?"}], temperature=0.5)
    )

    assert json.loads(str(text_of(sample))) == {
        "model": "app",
        "sampling_params": {"temperature": 0.5},
        "item": {"q": 1, "n": 2**70},
        "messages": [{"role": "user", "content": "Is it 1?"}],
    }


@pytest.mark.anyio
async def test_an_application_at_an_address_is_asked_there_with_its_key(
    tmp_path: Path, listening: ListeningEndpoint
) -> None:
    listening.answers["/answer"] = (200, {"output_text": "Paris", "usage": {"input_tokens": 2, "output_tokens": 3}})
    catalog = loaded(tmp_path, f'url = "{listening.url}/answer"\napi_key_env = "APP_KEY"', APP_KEY=KEY)
    sample = await sample_of(catalog, {"q": "France"})

    (request,) = listening.requests
    assert (request.method, request.path, json.loads(request.body)) == (
        "POST",
        "/answer",
        {"model": "app", "item": {"q": "France"}},
    )
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert (text_of(sample), sample.usage.total_tokens) == ("Paris", 5)


@pytest.mark.anyio
async def test_a_command_works_beside_the_file_and_gets_named_variables_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_KEY", "sk-of-somebody-else")
    program = "import json, os\nprint(json.dumps({'output_text': open('note').read(), 'names': sorted(os.environ)}))"
    (tmp_path / "note").write_text("It is here.")
    sample = await sample_of(command(tmp_path, program, 'env = ["APP_MODE"]', APP_MODE="x"), {})

    assert text_of(sample) == "It is here."
    assert sample.extras is not None
    names = sample.extras["names"]
    assert isinstance(names, list)
    assert {"APP_MODE", "PATH"} <= set(names)
    assert "OTHER_KEY" not in names


@pytest.mark.anyio
async def test_a_status_other_than_0_is_the_items_error_with_the_end_of_what_was_said(tmp_path: Path) -> None:
    error = await error_of(command(tmp_path, "import sys\nprint('An answer.')\nsys.exit('No index.')"))

    assert error == ItemError("command_failed", "the command ended with status 1: No index.", "sampling")


@pytest.mark.anyio
async def test_no_error_shows_a_variable_that_the_command_was_given(tmp_path: Path) -> None:
    program = "import os, sys\nsys.exit('refused: ' + 'x' * 380 + os.environ['APP_KEY'])"
    error = await error_of(command(tmp_path, program, 'env = ["APP_KEY"]', APP_KEY=KEY))

    assert error.message.startswith("the command ended with status 1: refused: xxx")
    assert KEY[:8] not in error.message


@pytest.mark.anyio
async def test_an_error_that_may_pass_is_asked_again_and_others_are_not(tmp_path: Path) -> None:
    program = """import json, pathlib, sys
path = pathlib.Path("asked")
path.write_text(path.read_text() + "." if path.exists() else ".")
report = {"error": {"code": "no_quota", "message": "Later."}, "retryable": len(path.read_text()) < 3}
print(json.dumps(report))
sys.exit(1)
"""
    error = await error_of(command(tmp_path, program))

    assert error == ItemError("no_quota", "Later.", "sampling")
    assert (tmp_path / "asked").read_text() == "..."


@pytest.mark.anyio
async def test_a_reply_over_http_that_reports_an_error_is_no_answer(
    tmp_path: Path, listening: ListeningEndpoint
) -> None:
    listening.answers["/answer"] = (200, {"error": "The index is empty."})
    error = await error_of(loaded(tmp_path, f'url = "{listening.url}/answer"'))

    assert error == ItemError("application_error", "The index is empty.", "sampling")


@pytest.mark.anyio
async def test_a_command_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    program = """import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
pathlib.Path("child").write_text(str(child.pid))
time.sleep(600)
"""
    error = await error_of(command(tmp_path, program, "timeout_s = 3"))

    assert error == ItemError("command_timeout", "the command did not end within 3 seconds", "sampling", True)
    assert _ends(int((tmp_path / "child").read_text()))


@pytest.mark.anyio
async def test_a_command_that_writes_too_much_is_ended(tmp_path: Path) -> None:
    error = await error_of(command(tmp_path, "while True: print('x' * 65536)", "max_reply_mb = 1"))

    assert (error.code, error.message) == ("reply_too_large", "app: the command wrote more than 1 MB")


@pytest.mark.anyio
async def test_a_program_that_is_not_there_ends_the_run_with_its_name(tmp_path: Path) -> None:
    catalog = loaded(tmp_path, 'command = ["no-such-program"]')
    target = catalog.find("app")
    async with ModelCaller() as caller:
        with pytest.raises(CallFailedError) as failed:
            await caller.call(target, "", b"{}", item_sample)

    assert failed.value.is_fatal_for_run
    assert failed.value.error.message == (
        "app cannot be asked as it is configured: there is no program 'no-such-program' that can be executed"
    )


@pytest.mark.anyio
async def test_a_command_that_reads_nothing_may_answer_all_the_same(tmp_path: Path) -> None:
    sample = await sample_of(command(tmp_path, "print('yes')"), {"long": "x" * 1_000_000})

    assert text_of(sample) == "yes"


def test_commands_end_with_the_process_that_started_them_even_if_it_is_killed(tmp_path: Path) -> None:
    program = "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(600)"
    (tmp_path / "app.py").write_text(program)
    starting = f"""import anyio
from pathlib import Path
from evalhaven.sampling.applications.command import Command
from evalhaven.sampling.applications.commands import CommandTransport
transport = CommandTransport(Command(({sys.executable!r}, "-S", "app.py"), Path({str(tmp_path)!r})))
anyio.run(transport.post, "", {{}}, b"", 600.0)
"""
    process = subprocess.Popen([sys.executable, "-c", starting])
    try:
        pid = _written(tmp_path / "pid")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()

    assert _ends(pid)


def test_without_a_number_as_many_commands_run_as_there_are_processors(tmp_path: Path) -> None:
    first = loaded(tmp_path, 'command = ["app"]').endpoints[0]
    few = loaded(tmp_path, 'command = ["app"]\nmax_concurrency = 3').endpoints[0]

    assert (first.max_concurrency, first.start_concurrency) == (os.cpu_count(), os.cpu_count())
    assert (few.max_concurrency, few.start_concurrency) == (3, 3)


def test_an_application_serves_its_own_name_unless_it_names_others(tmp_path: Path) -> None:
    assert loaded(tmp_path, 'command = ["app"]').endpoints[0].models == ("app",)
    assert loaded(tmp_path, 'command = ["app"]\nmodels = ["v1", "v2"]').endpoints[0].models == ("v1", "v2")


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (b"Paris\n", "Paris"),
        (b"two\n\nlines\r\n", "two\n\nlines"),
        (b'"Paris"\n', "Paris"),
        (b'"Paris" is what I say', '"Paris" is what I say'),
        (b"42", "42"),
        (b"[1, 2]", "[1, 2]"),
        (b'{"output_text": "Paris"}', "Paris"),
        (b'{"output_text": ""}', ""),
        (b'{"output_json": {"city": "Paris"}}', '{"city":"Paris"}'),
        (b'{"role": "assistant", "content": "Paris"}', "Paris"),
        (b'{"choices": [{"message": {"role": "assistant", "content": "Paris"}, "finish_reason": "stop"}]}', "Paris"),
        (b'{"output": [{"type": "message", "content": [{"type": "output_text", "text": "Paris"}]}]}', "Paris"),
    ],
)
def test_an_answer_may_have_any_form_of_a_rows_sample(reply: bytes, text: str) -> None:
    sample = item_sample(reply)

    assert text_of(sample) == text
    assert (sample.finish_reason, sample.error, sample.extras) == ("stop", None, None)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"\xff", "it is not UTF-8 text"),
        (b'{"output_text": "Paris"', "it begins like JSON and is not: "),
        (b'{"outputtext": "Paris"}', "it is a JSON object without an answer; write the answer as `output_text`"),
        (b'{"output_tools": []}', "it is a JSON object without an `output_text`"),
        (b'{"output_text": "Paris", "cost": "1"}', "its `cost` is not a number of US dollars"),
        (b'{"output_text": "Paris", "cost": -1}', "its `cost` is not a number of US dollars"),
    ],
)
def test_a_reply_without_an_answer_says_what_is_wrong(reply: bytes, said: str) -> None:
    with pytest.raises(UnusableReplyError) as refusal:
        item_sample(reply)

    assert str(refusal.value).startswith(said)


def test_graders_see_what_an_application_answers_besides() -> None:
    sample = item_sample(
        b'{"output_text": "Paris", "documents": ["d1"], "output_json": {"id": 3}, "cost": 0.25, "model": "m-2"}'
    )

    assert sample.extras == {"documents": ["d1"], "output_json": {"id": 3}}
    assert sample.namespace is not None
    assert sample.namespace["documents"] == ["d1"]
    assert sample.namespace["output_json"] == {"id": 3}
    assert (sample.cost, sample.model) == (0.25, "m-2")


def test_tool_calls_of_an_application_are_kept() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    sample = item_sample(json.dumps({"role": "assistant", "content": None, "tool_calls": [call]}).encode())

    assert sample.namespace is not None
    assert sample.namespace["output_tools"] == [call]


def test_a_judge_cannot_be_an_application(tmp_path: Path) -> None:
    target = loaded(tmp_path, 'command = ["app"]').find("app")
    with pytest.raises(UnsupportedRequestError) as refusal:
        compile_judge("Is it right?", None, None, target)

    assert refusal.value.at == ("model",)
    assert str(refusal.value) == (
        "'app' is an application (endpoint 'app'), which answers items. Judges ask models: name one."
    )


def test_a_run_may_not_replace_what_every_application_is_sent(tmp_path: Path) -> None:
    target = loaded(tmp_path, 'command = ["app"]').find("app")
    with pytest.raises(UnsupportedRequestError, match="`extra_body` may not set 'item'"):
        compile_sampling(run_of(), target, {"item": {}})
    maker = compile_sampling(run_of(), target, {"top_k": 3})

    assert json.loads(maker.make({"item": {}}, Files()).body) == {"model": "app", "top_k": 3, "item": {}}


def test_a_message_without_its_value_is_an_error_as_with_models(tmp_path: Path) -> None:
    target = loaded(tmp_path, 'command = ["app"]').find("app")
    maker = compile_sampling(run_of([{"role": "user", "content": "{{ item.q }}"}]), target, None)
    with pytest.raises(RequestError):
        maker.make({"item": {}}, Files())


@pytest.mark.parametrize(
    ("keys", "said", "is_problem"),
    [
        ('command = ["sh", "app.sh"]', " for each call, and was not tried. It serves app.", False),
        ('command = ["no-such-program"]', "there is no program 'no-such-program' that can be executed.", True),
        ('command = ["./app.toml"]', "there is no program './app.toml' that can be executed.", True),
    ],
)
def test_a_command_is_looked_for_and_not_started(tmp_path: Path, keys: str, said: str, *, is_problem: bool) -> None:
    (finding,) = examine(loaded(tmp_path, keys).endpoints[0])

    assert finding.text.endswith(said)
    assert finding.is_problem is is_problem


@pytest.mark.parametrize("status", [200, 404, 405, 501])
def test_an_application_that_answers_get_in_any_way_is_there(
    tmp_path: Path, listening: ListeningEndpoint, status: int
) -> None:
    listening.answers["/answer"] = (status, {})
    (finding,) = examine(loaded(tmp_path, f'url = "{listening.url}/answer"').endpoints[0])

    assert finding.text.startswith(f"Endpoint app: the application at {listening.url}/answer answers in ")
    assert finding.text.endswith(f" ms ({status} to GET). It serves app.")
    assert not finding.is_problem


def examine(endpoint: Endpoint) -> list[Any]:
    return anyio.run(examine_endpoints, [endpoint])


def _written(path: Path) -> int:
    """Return the number in a file, once it is there."""
    for _ in range(3000):
        with suppress(FileNotFoundError, ValueError):
            return int(path.read_text())
        time.sleep(0.01)
    raise AssertionError(f"{path} was not written")


def _ends(pid: int) -> bool:
    """Tell whether a process ends soon; one that nobody has waited for has ended."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for _ in range(3000):
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
            time.sleep(0.01)
        return False
    return True
