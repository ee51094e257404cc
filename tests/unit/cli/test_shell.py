"""What the shell is told when a command ends."""

import pytest

from evalhaven.cli.shell import mistakes_decide_nothing


def test_a_mistake_of_ours_is_shown_and_is_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, mistakes_decide_nothing():
        _ = {}["absent"]

    assert ended.value.code == 70
    assert "KeyError: 'absent'" in capsys.readouterr().err


def test_a_verdict_stays_what_it_is() -> None:
    with pytest.raises(SystemExit) as ended, mistakes_decide_nothing():
        raise SystemExit(1)

    assert ended.value.code == 1
