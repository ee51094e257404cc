"""Facts about a server of a command's own that does not become ready."""

import json

import pytest

from evalhaven.app.own_server import why_not_ready


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            json.dumps(
                {"status": "unavailable", "disk": "unavailable", "reasons": ["The disk of d is full."]}
            ).encode(),
            ("The disk of d is full.", False),
        ),
        (
            json.dumps({"disk": "ok", "executor": "unavailable", "reasons": ["It starts.", "Wait."]}).encode(),
            ("It starts. Wait.", True),
        ),
        (b"<html>", ("", True)),
    ],
)
def test_only_a_full_disk_is_not_waited_for(body: bytes, expected: tuple[str, bool]) -> None:
    assert why_not_ready(body) == expected
