"""Facts about pins while no executor runs, so that runs stay queued."""

import httpx2

from tests.contract.conftest import eval_body, inline_source


async def test_a_run_that_has_not_ended_cannot_be_pinned(client: httpx2.AsyncClient) -> None:
    parent = (await client.post("/v1/evals", json=eval_body())).json()
    made = await client.post(f"/v1/evals/{parent['id']}/runs", json={"data_source": inline_source()})
    answer = await client.post(f"/api/runs/{made.json()['id']}/pin")

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "run_not_ended"
