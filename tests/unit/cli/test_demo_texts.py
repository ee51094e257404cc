"""Facts about what the demo says of the items that it does not show."""

import pytest
from rich.console import Console

from evalhaven.cli.demo import print_rest


@pytest.mark.parametrize(
    ("failed", "errored", "shown", "said"),
    [
        (31, 0, 3, "28 more failed; the report lists every one."),
        (3, 0, 3, ""),
        (0, 0, 0, ""),
        (2, 4, 2, "4 errored; the report lists every one."),
        (1_003, 1, 3, "1,000 more failed and 1 errored; the report lists every one."),
    ],
)
def test_what_is_not_shown_is_counted(
    failed: int, errored: int, shown: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_rest({"failed": failed, "errored": errored}, shown, Console(width=200))

    assert capsys.readouterr().out.strip() == said
