"""Facts about examinations that many ask for: an endpoint is asked once in a while."""

import anyio
import anyio.lowlevel

from evalhaven.app.examination import PacedExamination
from evalhaven.sampling.catalog import Catalog, Endpoint
from evalhaven.sampling.examination import Finding
from evalhaven.sampling.scripted.endpoint import Script


class Examined:
    """Counts how many times everything is examined."""

    def __init__(self) -> None:
        self.times = 0
        self.second = 0.0
        catalog = Catalog((Endpoint("rules", "", script=Script()),))
        self.paced = PacedExamination(self._examine, catalog, lambda: self.second)

    async def _examine(self) -> list[Finding]:
        self.times += 1
        await anyio.lowlevel.checkpoint()
        return [Finding(f"test {self.times}")]


async def test_everybody_who_asks_meanwhile_is_told_what_one_test_finds() -> None:
    examined = Examined()
    told: list[str] = []

    async def ask() -> None:
        (finding,) = await examined.paced.examine()
        told.append(finding.text)

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(ask)
    assert told == ["test 1"] * 20


async def test_a_test_is_repeated_after_two_seconds() -> None:
    examined = Examined()
    found = []
    for second in (0.0, 1.9, 2.0):
        examined.second = second
        found += await examined.paced.examine()
    assert [each.text for each in found] == ["test 1", "test 1", "test 2"]


async def test_an_endpoint_is_examined_alone() -> None:
    examined = Examined()
    (finding,) = await examined.paced.examine("rules")
    assert finding.text.startswith("Endpoint rules: answers offline")
    assert examined.times == 0
