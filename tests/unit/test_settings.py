"""Facts about settings that follow from others."""

import pytest

from evalhaven.cli.shell import read_settings

BEYOND = {"EVALHAVEN_HOST": "0.0.0.0", "EVALHAVEN_EXPOSE_WITHOUT_KEYS": "true"}  # noqa: S104 - nobody listens


@pytest.mark.parametrize(
    ("environment", "passes"),
    [
        (BEYOND, False),
        (BEYOND | {"EVALHAVEN_GATEWAY": "off"}, False),
        (BEYOND | {"EVALHAVEN_GATEWAY": "on"}, True),
        ({"EVALHAVEN_GATEWAY": "off"}, False),
        ({"EVALHAVEN_GATEWAY": ""}, True),
        ({}, True),
    ],
)
def test_calls_are_passed_on_beyond_loopback_only_where_that_is_allowed(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], passes: bool
) -> None:
    for name in ("EVALHAVEN_HOST", "EVALHAVEN_GATEWAY", "EVALHAVEN_EXPOSE_WITHOUT_KEYS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert read_settings().passes_calls_on is passes
