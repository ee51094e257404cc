"""Facts about how benchmarks measure other programs: warmed up, in turn, several times, with the spread."""

import contextlib
import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.peers import (
    Compared,
    Contestant,
    Installed,
    Peer,
    Spread,
    Took,
    contestant,
    difference,
    find_peers,
    measure_in_turn,
    turn_order,
)
from benchmarks.peers_report import OURS, PeersReport, print_peers
from benchmarks.server import BenchmarkError

# Asks as many questions as it is told, and notes that it did.
_PROGRAM = """
import json, sys, urllib.request
base_url, items, notes = sys.argv[1], int(sys.argv[2]), sys.argv[3]
for number in range(items):
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "ANSWER: Other"}]}).encode()
    headers = {"content-type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(base_url + "/chat/completions", body, headers)).read()
with open(notes, "a") as file:
    file.write(f"{items}\\n")
"""


def peer(name: str = "p", rate: float = 1.0) -> Peer:
    return Peer(name, 200, 1.0, rate, 100.0, 50_000_000, 10.0)


def took(wall_s: float, cpu_s: float = 0.0, written_bytes: int = 0) -> Took:
    return Took(wall_s, cpu_s, 1, written_bytes)


@pytest.mark.parametrize("number_of_programs", [1, 2, 3, 4])
def test_nobody_is_always_first_or_always_behind_the_same_other(number_of_programs: int) -> None:
    programs = "abcd"[:number_of_programs]
    rounds = [turn_order(programs, number) for number in range(2 * number_of_programs)]

    assert all(sorted(order) == list(programs) for order in rounds)
    assert [sum(order[0] == each for order in rounds) for each in programs] == [2] * number_of_programs
    if number_of_programs > 2:
        before = {each: {order[order.index(each) - 1] for order in rounds if order[0] != each} for each in programs}
        assert all(len(others) > 1 for others in before.values())


def test_a_first_start_is_not_measured_and_the_rest_is_in_turn() -> None:
    done: list[str] = []

    def program(name: str) -> Contestant:
        def measure() -> Peer:
            done.append(name)
            return peer(name, len(done))

        return Contestant(name, lambda: done.append(f"{name} warm"), measure)

    said: list[str] = []
    found = measure_in_turn([program("a"), program("b")], 3, said.append)

    assert done == ["a warm", "b warm", "a", "b", "b", "a", "a", "b"]
    assert [(each.name, len(each.rounds)) for each in found] == [("a", 3), ("b", 3)]
    assert said[0] == "a, to warm up"
    assert said[-1] == "b, round 3 of 3"


def test_what_counts_is_the_median_and_its_spread_stands_beside_it() -> None:
    rounds = [peer(rate=rate) for rate in (6_472.0, 430.0, 480.0)]
    assert Compared("p", rounds).spread(lambda each: each.items_a_second) == Spread(480.0, 430.0, 6_472.0)

    ours = [peer(OURS, rate) for rate in (3_000.0, 3_100.0, 2_900.0)]
    report = PeersReport((500, 4_500), [Compared(OURS, ours), Compared("p", rounds)], ["q"])
    text = io.StringIO()
    print_peers(report, Console(file=text, width=160))
    shown = text.getvalue()
    assert "480 (430-6,472)" in shown
    assert "3,000 (2,900-3,100)" in shown
    assert "6.2 x" in shown
    assert "Medians of 3 rounds (least-most), after a start that does not count." in shown
    assert "not installed" in shown
    assert len(json.loads(json.dumps(report.document()))["compared"][1]["rounds"]) == 3


def test_an_item_costs_what_more_items_take_beyond_fewer() -> None:
    found = difference("p", 200, (500, 4_500), (took(3.0, 2.0, 1_000), took(11.0, 6.0, 9_000)))

    assert (found.items_a_second, found.start_s) == (500.0, 2.0)
    assert found.cpu_us_an_item == pytest.approx(1_000.0)
    assert found.bytes_an_item == 2.0


def test_more_items_in_less_time_are_no_figure() -> None:
    with pytest.raises(BenchmarkError, match=r"p took 2\.9 s for 4,500 items and 3\.0 s for 500: "):
        difference("p", 200, (500, 4_500), (took(3.0), took(2.9)))


def test_programs_are_found_where_the_command_line_says_and_what_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "peers" / "promptfoo"
    program.parent.mkdir()
    program.touch(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    found, missing = find_peers("peers/promptfoo", "peers/none")

    assert ([each.name for each in found], missing) == (["promptfoo"], ["lm-eval"])
    # Each start has a directory of its own.
    assert found[0].prepare(tmp_path, 1, "http://127.0.0.1:1/v1", 1)[0][0] == str(program)


def test_a_program_is_started_once_before_it_is_measured(tmp_path: Path) -> None:
    notes = tmp_path / "notes"

    def prepare(_directory: Path, items: int, base_url: str, _in_flight: int) -> tuple[list[str], dict[str, str]]:
        return [sys.executable, "-c", _PROGRAM, base_url, str(items), str(notes)], {}

    program = contestant(Installed("stand-in", prepare), (1, 5), 4, 0.0, tmp_path / "stand-in")
    # Whether the larger number takes longer is up to the machine.
    with contextlib.suppress(BenchmarkError):
        measure_in_turn([program], 1, lambda _said: None)

    assert notes.read_text().split() == ["1", "1", "5"]
