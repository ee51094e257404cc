"""What graders try in vain, in each tier and as each kind of user; and what happens if walls are taken away."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from evalhaven.sandbox.environment import Tier
from tests.sandbox.attacks import Attack, read_attacks
from tests.sandbox.machine import attack, drive, skip_without_bwrap, user_ids

_SIDE_BY_SIDE = 3
_WRITABLE = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - these are looked at
_ATTACKS = read_attacks()
_TIERS: dict[str, dict[str, Any]] = {
    "full": {"tier": Tier.FULL},
    "landlock": {"tier": Tier.LANDLOCK},
    "landlock-abi-1": {"tier": Tier.LANDLOCK, "changes": {"landlock_abi_max": 1}},
    "namespaces": {"tier": Tier.NAMESPACES},
}
# The first Landlock differs in what it leaves to seccomp, whoever starts the host.
_CASES = [
    (name, user) for name in _TIERS for user in ("root", "stranger") if (name, user) != ("landlock-abi-1", "root")
]
_FIRST_CASE = ("full", "stranger")
_UNPROVEN = {"is_proving": False}
_WITHOUT: dict[str, dict[str, Any]] = {
    "nothing": {"namespaces": False, "landlock": False, "seccomp": False, "privileges": False, **_UNPROVEN},
    "namespaces": {"namespaces": True, "landlock": False, "seccomp": False, **_UNPROVEN},
    "landlock": {"namespaces": False, "landlock": True, "seccomp": False, **_UNPROVEN},
    "seccomp": {"namespaces": False, "landlock": False, "seccomp": True, **_UNPROVEN},
}


class Campaign:
    """Runs the table in the first case, and in all others, some side by side, once one of those is asked for."""

    def __init__(self, python: Path) -> None:
        self._python = str(python)
        self._threads = ThreadPoolExecutor(_SIDE_BY_SIDE)
        self._found: dict[tuple[str, str], Future[dict[str, Any]]] = {}

    def start(self, cases: Sequence[tuple[str, str]]) -> None:
        for name, user in cases:
            if user != "root" or os.geteuid() == 0:
                self._found[name, user] = self._threads.submit(self._attack, _TIERS[name], user)

    def _attack(self, orders: dict[str, Any], user: str) -> dict[str, Any]:
        common = {"python": self._python, "user": user_ids(user)}
        choice = drive({"mode": "choose", "tier": orders["tier"], **common})
        if choice["tier"] is None:
            return choice
        return attack({**orders, "solo": True, "python": self._python}, user_ids(user))

    def find(self, name: str, user: str) -> dict[str, Any]:
        if user == "root" and os.geteuid() != 0:
            pytest.skip("only root can be root")
        if (name, user) not in self._found:
            is_first = (name, user) == _FIRST_CASE
            self.start([case for case in _CASES if (case == _FIRST_CASE) == is_first])
        found = self._found[name, user].result()
        if "rejected" in found:
            pytest.skip(f"this machine has no tier {name} for {user}: {found['rejected']}")
        return found

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def campaign(shared_python: Path) -> Iterator[Campaign]:
    campaign = Campaign(shared_python)
    yield campaign
    campaign.close()


# Each case takes seconds of CPU: one of them shows the feature, and all facts of a case are in the tier where it runs.
@pytest.fixture(
    params=[
        pytest.param(case, id="-".join(case), marks=() if case == _FIRST_CASE else pytest.mark.slow) for case in _CASES
    ]
)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


def is_as_expected(case: Attack, outcome: str, tier: str) -> bool:
    if case.outcomes:
        return outcome in case.outcomes
    # An attack that does not aim at the host's end must not end it: else the next attacks would have failed for that.
    return outcome in {"score", "exception", "invalid_result"} or (outcome == "in" and tier in case.gets_in)


def test_no_attack_gets_in(campaign: Campaign, case: tuple[str, str]) -> None:
    name, user = case
    outcomes = campaign.find(name, user)["outcomes"]
    tier = _TIERS[name]["tier"]

    assert len(outcomes) == len(_ATTACKS) > 150
    unexpected = {
        each.name: outcomes[each.name] for each in _ATTACKS if not is_as_expected(each, outcomes[each.name][0], tier)
    }
    assert unexpected == {}


def test_neighbouring_host_lives_through_all_attacks(campaign: Campaign, case: tuple[str, str]) -> None:
    answers = campaign.find(*case)["neighbour"]

    # It counts its calls, so that a restarted neighbour would begin at 1 again.
    assert answers == list(range(1, sum(each.is_solo for each in _ATTACKS) + 2))


def test_files_of_the_server_stay_as_they_are(campaign: Campaign, case: tuple[str, str]) -> None:
    assert campaign.find(*case)["changed"] == []


def test_nothing_is_left_in_temporary_directories(campaign: Campaign, case: tuple[str, str]) -> None:
    assert campaign.find(*case)["left"] == []
    assert [path for name in _WRITABLE for path in Path(name).glob("evalhaven-attack*")] == []


def test_every_attack_gets_in_where_there_are_no_layers(shared_python: Path, user: str) -> None:
    found = attack({"layers": _WITHOUT["nothing"], "solo": False, "python": str(shared_python)}, user_ids(user))

    tried = [
        each for each in _ATTACKS if each.needs_layers and not each.is_solo and (user == "root" or not each.only_root)
    ]
    assert len(tried) > 60
    assert [each.name for each in tried if found["outcomes"][each.name][0] != "in"] == []
    considered = [
        name for name, (outcome, _) in found["outcomes"].items() if name.startswith("kernel.") and outcome == "in"
    ]
    assert len(considered) > 40
    assert {Path(path).stem for path in found["changed"]} == {"configuration", "database", "spare"}


@pytest.mark.parametrize(
    ("layer", "let_in"),
    [
        ("namespaces", {"processes.fork", "processes.subprocess", "network.tcp_socket", "kernel.userfaultfd"}),
        ("landlock", {"processes.fork", "network.tcp_socket", "kernel.bpf", "writing.change_times"}),
        ("seccomp", {"reading.passwd", "reading.database", "writing.append_to_database", "reading.list_server"}),
    ],
)
def test_one_layer_alone_lets_attacks_in(shared_python: Path, layer: str, let_in: set[str]) -> None:
    if layer == "namespaces":
        skip_without_bwrap()
    found = attack({"layers": _WITHOUT[layer], "solo": False, "python": str(shared_python)}, user_ids("stranger"))

    assert let_in <= {name for name, (outcome, _) in found["outcomes"].items() if outcome == "in"}
