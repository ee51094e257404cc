"""Kills a server and its executor while a run asks an upstream."""

import random
import time

from tests.server import Server
from tests.sizes import SEED
from tests.system.client import Client, JsonObject
from tests.system.faulty import FaultyUpstream
from tests.system.inside import executor_of


def end_after_kills(
    server: Server, client: Client, upstream: FaultyUpstream, ids: tuple[str, str], count: int, kills: int
) -> JsonObject:
    """Kill server and executor in turn while a run stores its items, let it end and return it.

    Args:
        server: It is up again after each kill.
        client: Of the server.
        upstream: It holds back the last answers, so that the run cannot end before the last kill.
        ids: Ids of the eval and the run.
        count: Items of the run.
        kills: How many kills, evenly spread over the items.
    """
    chance = random.Random(SEED)
    for number in range(kills):
        run = client.wait_for_items(*ids, (number + 1) * count // (kills + 2))
        assert run["status"] == "in_progress"
        time.sleep(chance.uniform(0.0, 0.2))
        if number % 2:
            executor_of(server).kill()
        else:
            server.kill()
            server.restart()
    upstream.change(hold_after=0)
    return client.wait_for_end(*ids, timeout_s=600)
