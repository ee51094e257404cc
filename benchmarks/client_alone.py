"""What the HTTP client alone costs: the requests of a sampled run, made beforehand, sent by the product's transport.

Subtracted from what a run costs, it leaves what the loop itself adds to an item.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import uvloop

from benchmarks.sampling_limit import HEADERS, TIMEOUT_S, body_of, compile_messages
from evalhaven.sampling.transport.client import Transport, TransportOptions, open_transport


async def _send(bodies: Iterator[bytes], transport: Transport, url: str) -> int:
    """Send requests one after another, sharing them with the other senders; return how many were answered."""
    answered = 0
    for body in bodies:
        answered += (await transport.post(url, HEADERS, body, TIMEOUT_S)).status == 200
    return answered


async def _send_all(bodies: list[bytes], url: str, in_flight: int) -> int:
    shared = iter(bodies)
    async with open_transport(TransportOptions()) as transport, asyncio.TaskGroup() as tasks:
        senders = [tasks.create_task(_send(shared, transport, url)) for _ in range(in_flight)]
    return sum(sender.result() for sender in senders)


def main() -> None:
    """Run as a process of its own; print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client_alone", description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("url")
    parser.add_argument("in_flight", type=int)
    given = parser.parse_args()
    contents = compile_messages()
    with given.rows.open("rb") as rows:
        bodies = [body_of(contents, msgspec.json.decode(line)["item"])[0] for line in rows]
    started, cpu_started = time.perf_counter(), time.process_time()
    answered = uvloop.run(_send_all(bodies, given.url, given.in_flight))
    wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu_started
    print(json.dumps({"items": len(bodies), "answered": answered, "wall_s": wall_s, "cpu_s": cpu_s}))


if __name__ == "__main__":
    main()
