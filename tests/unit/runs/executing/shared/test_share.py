"""Facts about a worker's share of a run: a verdict ends the run, though more chunks are to come."""

from collections.abc import Mapping
from typing import Any

import anyio

from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.shared.fence import Fence
from evalhaven.runs.executing.shared.share import RunShare, Surroundings
from evalhaven.runs.planning.plan import RunPlanner
from evalhaven.sampling.transport.client import HttpReply
from tests.databases import ON_POSTGRESQL_ONLY
from tests.unit.runs.answering import Answering, calling, refusal
from tests.unit.runs.executed import inline_run, lines, read_run, row_of

pytestmark = ON_POSTGRESQL_ONLY
SAMPLED: dict[str, Any] = {
    "type": "completions",
    "model": "m",
    "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{ item.n }}"}]},
    "source": {"type": "file_content", "content": []},
}


class Closed(Answering):
    """An endpoint that refuses the key."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        return refusal(401, "no_key")


async def test_a_run_whose_calls_all_fail_alike_ends_without_waiting_for_more_chunks(engine: Engine) -> None:
    fence = Fence(3600)
    fence.begin(anyio.current_time())
    around = Surroundings(fence, lambda: 1, on_room=lambda: None, on_want=lambda: None)
    async with calling(engine, Closed()) as closed:
        run = await inline_run(closed, lines([row_of(n) for n in range(600)]), data_source=SAMPLED, model="m")
        await RunPlanner(closed, run, lambda: False).plan_run(ItemSchema(True))
        share = RunShare(closed, run.scope, run.key, around, worker_id=1)
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(share.execute, 0)
                await share.serve()  # nobody tells it to close

    run = await read_run(engine, run)
    assert (run.status, run.error and run.error.code) == (RunStatus.FAILED, "no_key")
    assert run.tally.total < 600
