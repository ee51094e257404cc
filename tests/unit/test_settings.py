"""Facts about settings that follow from others."""

import pytest

from evalhaven.cli.shell import read_settings
from evalhaven.settings import default_processes

BEYOND = {"EVALHAVEN_HOST": "0.0.0.0", "EVALHAVEN_EXPOSE_WITHOUT_KEYS": "true"}  # noqa: S104 - nobody listens


@pytest.mark.parametrize(
    ("environment", "passes"),
    [
        (BEYOND, False),
        (BEYOND | {"EVALHAVEN_GATEWAY": "off"}, False),
        (BEYOND | {"EVALHAVEN_GATEWAY": "on"}, True),
        (BEYOND | {"EVALHAVEN_EXPOSE_WITHOUT_KEYS": "false"}, True),
        ({"EVALHAVEN_GATEWAY": "off"}, False),
        ({"EVALHAVEN_GATEWAY": ""}, True),
        ({}, True),
    ],
)
def test_calls_are_passed_on_beyond_loopback_only_to_those_with_keys_unless_that_is_allowed(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], passes: bool
) -> None:
    for name in ("EVALHAVEN_HOST", "EVALHAVEN_GATEWAY", "EVALHAVEN_EXPOSE_WITHOUT_KEYS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert read_settings().passes_calls_on is passes


@pytest.mark.parametrize(
    ("environment", "is_local"),
    [
        ({}, True),
        ({"EVALHAVEN_PUBLIC_URL": "http://localhost:3000"}, True),
        ({"EVALHAVEN_PUBLIC_URL": "https://evals.example.org"}, False),
        ({"EVALHAVEN_TRUSTED_PROXIES": "127.0.0.1"}, False),
        ({"EVALHAVEN_HOST": "192.0.2.1"}, False),
    ],
)
def test_a_server_on_loopback_that_a_proxy_leads_to_is_not_for_this_machine_alone(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], is_local: bool
) -> None:
    for name in ("EVALHAVEN_HOST", "EVALHAVEN_PUBLIC_URL", "EVALHAVEN_TRUSTED_PROXIES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert read_settings().is_local is is_local


@pytest.mark.parametrize(("processors", "processes"), [(1, 1), (2, 1), (3, 1), (4, 2), (6, 3), (8, 4), (64, 4)])
def test_sampling_processes_follow_the_processors_and_leave_some_to_the_others(processors: int, processes: int) -> None:
    assert default_processes(processors) == processes


def test_the_setting_wins_over_the_number_of_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALHAVEN_SAMPLING_PROCESSES", "3")
    assert read_settings().processes == 3
    monkeypatch.setenv("EVALHAVEN_SAMPLING_PROCESSES", "")
    assert read_settings().sampling_processes is None
