"""No page calls something missing that the server has: such statements are listed, and each is tried."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.docs.deviations import Deviation, read_deviations
from tests.docs.missing import Statement, is_missing, read_statements, unknown_statements
from tests.docs.test_docs import pages, read
from tests.server import Server, show_server_logs

pytest_runtest_makereport = show_server_logs

MISSING = [each for each in read_deviations() if each.missing]
STATEMENTS = read_statements()


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    with (
        Server(tmp_path_factory.mktemp("server")).running() as server,
        httpx2.Client(base_url=server.url, timeout=30) as opened,
    ):
        yield opened


@pytest.mark.parametrize("entry", MISSING, ids=lambda each: each.id)
def test_what_is_said_to_be_missing_is_missing(http: httpx2.Client, entry: Deviation) -> None:
    there = [probe for probe in entry.missing if not is_missing(http, *probe)]

    assert there == [], "the server has it: take the statements that name it off the pages"


@pytest.mark.parametrize(
    "probe",
    [
        ("request", "POST /v1/evals"),
        ("request", "POST /v1/fine_tuning/alpha/graders/run"),
        ("request", "GET /v1/models/nobody-serves-this"),
        ("request", "GET /v1/evals/eval_x"),
        ("setting", "*PUBLIC_URL"),
        ("open", "GET /v1/evals/eval_x"),
    ],
)
def test_the_probes_see_what_is_there(http: httpx2.Client, probe: tuple[str, str]) -> None:
    assert not is_missing(http, *probe)


def test_every_sentence_that_calls_something_missing_is_listed(repository: Path) -> None:
    found = {
        str(page.relative_to(repository)): unknown_statements(page.read_text(encoding="utf-8"), STATEMENTS)
        for page in documents(repository)
    }

    # Add it to tests/docs/missing.toml: with the entry whose probes show it, or with what it is about instead.
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda each: each.says[:40])
def test_every_listed_sentence_is_on_a_page_and_belongs_to_an_entry_or_says_why_not(
    repository: Path, statement: Statement
) -> None:
    texts = [page.read_text(encoding="utf-8") for page in documents(repository)]

    assert any(statement.says in text for text in texts)
    assert (statement.entry is None) != (statement.about is None)
    assert statement.entry is None or statement.entry in {each.id for each in MISSING}


@pytest.mark.parametrize(
    "line",
    [
        "chat completions, responses, the grader endpoints and the deletion of models are not there: 404",
        "are answered as `***` and not kept, since no model is called yet",
        "Not there yet either: webhooks, the Uploads API, and the logging of chat completions and responses.",
        "- The sources `stored_completions` and `responses`: nothing is logged yet.",
        "Judges are not supported.",
        "`python` graders are not part of this release.",
        "`multi` graders come in a later release.",
    ],
)
def test_sentences_of_the_kind_are_found(line: str) -> None:
    assert unknown_statements(f"# Title\n\n{line}\n", STATEMENTS) == [line]


def test_the_readme_calls_missing_what_the_entries_do(repository: Path) -> None:
    table = read(repository, "README.md").partition("| not yet |\n")[2].partition("\n\n")[0].splitlines()[1:]
    named = [name.strip() for row in table for name in row.split("|")[3].split(",") if name.strip()]

    assert sorted(named) == sorted({each.what for each in MISSING} & {*named})
    assert named


def documents(repository: Path) -> list[Path]:
    """Return the pages that say what there is; the changelog says what there was."""
    return [page for page in pages(repository) if page.name not in ("CHANGELOG.md",)]
