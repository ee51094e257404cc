"""Every block of the pages does what its page says, and the few that are not executed are listed with the reason."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.docs.snippets import (
    DATABASE,
    Block,
    LeftOut,
    PageRun,
    SnippetError,
    copy_neighbours,
    read_blocks,
    read_left_out,
)
from tests.docs.test_docs import pages

TUTORIAL = "docs/tutorial.md"
NAMES = sorted(page.relative_to(REPOSITORY).as_posix() for page in pages(REPOSITORY))
LEFT_OUT = read_left_out()


def blocks_of(name: str) -> list[Block]:
    """Return the blocks of a page that are to be executed or checked."""
    blocks = read_blocks(REPOSITORY / name, name)
    return [each for each in blocks if not any(listed.covers(each) for listed in LEFT_OUT)]


def database_url(blocks: list[Block], request: pytest.FixtureRequest) -> str | None:
    """Return a PostgreSQL database where one is named."""
    if not any(DATABASE in each.text for each in blocks):
        return None
    url: str = request.getfixturevalue("postgres").new_database()
    return url


@pytest.mark.slow
@pytest.mark.timeout(360)  # a page may start half a dozen servers and workers, one after another
@pytest.mark.parametrize("name", [each for each in NAMES if blocks_of(each) and each != TUTORIAL])
def test_every_block_of_a_page_does_what_it_says(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    blocks = blocks_of(name)
    if name.startswith("examples/"):
        copy_neighbours(REPOSITORY / name, tmp_path)
    with PageRun(tmp_path, REPOSITORY, database_url(blocks, request)).open() as page:
        for block in blocks:
            page.work_through(block)


@pytest.mark.slow
def test_the_tutorial_leads_from_nothing_to_two_runs_with_the_figures_it_shows(tmp_path: Path) -> None:
    blocks = blocks_of(TUTORIAL)
    with PageRun(tmp_path, REPOSITORY).open() as page:
        for block in blocks:
            page.work_through(block)
        runs = list(page.names["client"].evals.runs.list(page.names["evaluation"].id, order="asc"))

    assert sum(block.language == "output" for block in blocks) >= 5
    assert [(run.status, run.result_counts.passed, run.result_counts.total) for run in runs] == [
        ("completed", 0, 6),
        ("completed", 5, 6),
    ]


@pytest.mark.parametrize("listed", LEFT_OUT, ids=lambda each: f"{each.page} {each.begins[:30]}")
def test_every_block_that_is_left_out_is_on_its_page_and_says_why(listed: LeftOut) -> None:
    covered = [each for each in read_blocks(REPOSITORY / listed.page, listed.page) if listed.covers(each)]

    assert len(covered) == 1
    assert len(listed.reason) > 20


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageRun]:
    with PageRun(tmp_path_factory.mktemp("page"), REPOSITORY).open() as opened:
        yield opened


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("sh", "false\ntrue\n", "status 1"),
        ("sh", "cat nowhere | head\n", "nowhere"),
        ("python", "client.evals.retrieve('eval_nobody')\n", "eval_nobody"),
        ("toml", "[endpoints.a]\nbase_urll = 'http://127.0.0.1:1/v1'\n", "base_urll"),
        ("json", '{"data_source_config": {"type": "nothing"}, "testing_criteria": []}\n', "data_source_config"),
        ("json", '{"data_source_config": {"type": "logs"}, "testing_criteria": [], "colour": "red"}\n', "colour"),
        ("json", "[1]\n", "no such body"),
        ("output", "five\n", "four"),
        ("ruby", "puts 1\n", "nobody executes"),
    ],
)
def test_a_block_that_does_not_hold_is_found(page: PageRun, language: str, text: str, said: str) -> None:
    page.work_through(Block(page="page.md", line=1, language="sh", text="echo four\n"))
    with pytest.raises(SnippetError, match=r"page\.md:3") as raised:
        page.work_through(Block(page="page.md", line=3, language=language, text=text))

    assert said in str(raised.value)


def test_what_varies_may_be_left_open_in_an_output(page: PageRun) -> None:
    page.work_through(Block(page="page.md", line=1, language="sh", text="echo run evalrun_1 ended\n"))
    page.work_through(Block(page="page.md", line=3, language="output", text="run … ended\n"))
