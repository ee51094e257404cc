"""Facts about the documentation: what it names exists, and what it shows works."""

import re
import subprocess
import time
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, cast

import openai
import pytest
from typer.main import get_command

from evalhaven.cli.main import application as command_line
from evalhaven.graders.registry import SUPPORTED_GRADERS
from evalhaven.wire.graders import CRITERION_TYPES
from tests.docs.compatibility_page import own_document
from tests.server import Server, show_server_logs

pytest_runtest_makereport = show_server_logs

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEST_NAME = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
TEST_LINK = re.compile(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)")
MAKE_TARGET = re.compile(r"^([a-z]+):", re.MULTILINE)
METHODS = {"get", "post", "delete", "put", "patch"}
ADDRESS = "http://127.0.0.1:8765"


def read(repository: Path, name: str) -> str:
    """Return the text of a file of the repository."""
    return (repository / name).read_text(encoding="utf-8")


def pages(repository: Path) -> list[Path]:
    """Return every Markdown file of the repository."""
    found = [path for folder in (".", "docs", "docs/*", "examples/*") for path in repository.glob(f"{folder}/*.md")]
    assert len(found) >= 8
    return found


def fenced(text: str, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return [body for name, body in FENCE.findall(text) if name == language]


def anchor(heading: str) -> str:
    """Return the anchor that a heading has on the usual forges."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(page: Path) -> list[str]:
    """Return where links into a page can lead."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return [*map(anchor, headings), *re.findall(r'<a id="([\w-]+)"></a>', text)]


def table_rows(text: str, heading: str) -> Iterator[list[str]]:
    """Yield the cells of the tables under a heading of the second level."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert section, f"no section {heading!r}"
    for line in section.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def documented_routes(repository: Path) -> list[tuple[str, str]]:
    """Return (method and path, operation id) of the endpoints in docs/compatibility.md."""
    rows = table_rows(read(repository, "docs/compatibility.md"), "Endpoints")
    return [(row[0].strip("`"), row[1].strip("`")) for row in rows]


def served_routes() -> list[tuple[str, str]]:
    """Return the same of the OpenAPI document."""
    document = own_document()
    return [
        (f"{method.upper()} {path}", operation["operationId"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in METHODS
    ]


def commands(group: Any, path: str = "evalhaven") -> Iterator[str]:
    """Yield every command that is not hidden, as it is typed."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        elif not command.hidden:
            yield f"{path} {name}"


def make_targets(repository: Path) -> set[str]:
    return set(MAKE_TARGET.findall(read(repository, "Makefile")))


def test_every_command_is_documented(repository: Path) -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in pages(repository))
    found = list(commands(get_command(command_line)))

    assert "evalhaven serve" in found
    assert [command for command in found if command not in texts] == []


def test_every_option_of_serve_is_in_the_readme(repository: Path) -> None:
    serve = cast("Any", get_command(command_line)).commands["serve"]
    options = [option for parameter in serve.params for option in parameter.opts if isinstance(option, str)]

    assert "--host" in options
    assert [option for option in options if option not in read(repository, "README.md")] == []


def test_the_endpoints_documented_are_those_that_are_served(repository: Path) -> None:
    assert sorted(documented_routes(repository)) == sorted(served_routes())


def test_every_grader_is_said_to_work(repository: Path) -> None:
    row = next(row for row in read(repository, "README.md").splitlines() if row.startswith("| graders |"))
    _, _, works, _, _ = row.split("|")
    compatibility = read(repository, "docs/compatibility.md")

    assert set(re.findall(r"`(\w+)`", works)) == set(SUPPORTED_GRADERS) == set(CRITERION_TYPES)
    assert [kind for kind in CRITERION_TYPES if f"`{kind}`" not in compatibility] == []


def test_every_test_that_a_page_names_exists(repository: Path) -> None:
    texts = [page.read_text(encoding="utf-8") for page in pages(repository)]
    named = {match for text in texts for match in TEST_NAME.findall(text)}
    named |= {(path, name) for text in texts for name, path in TEST_LINK.findall(text)}
    missing = [
        f"{path}::{name}"
        for path, name in sorted(named)
        if not (repository / path).is_file() or not re.search(rf"^(async )?def {name}\(", read(repository, path), re.M)
    ]

    assert len(named) > 20
    assert missing == []


def test_every_dependency_has_a_reason(repository: Path) -> None:
    project = tomllib.loads(read(repository, "pyproject.toml"))
    optional = project["project"]["optional-dependencies"].values()
    declared = [*project["project"]["dependencies"], *chain(*optional), *project["dependency-groups"]["dev"]]
    names = [re.split(r"[\[><=; ]", requirement)[0] for requirement in declared]
    page = read(repository, "docs/development/dependencies.md")
    explained = [row[0].strip("`") for row in table_rows(page, "Dependencies")]

    assert sorted(names) == sorted(explained)


def test_the_layers_are_those_that_lint_checks(repository: Path) -> None:
    contracts = tomllib.loads(read(repository, "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    section = read(repository, "ARCHITECTURE.md").partition("\n## Layers\n")[2].partition("\n## ")[0]

    assert fenced(section, "")[0].splitlines() == contracts[0]["layers"]
    assert f"`{' > '.join(contracts[0]['layers'])}`" in read(repository, "CONTRIBUTING.md")


def test_the_layout_names_every_part_of_the_package(repository: Path) -> None:
    section = read(repository, "ARCHITECTURE.md").partition("\n## Layout\n")[2].partition("\n## ")[0]
    parts = [path for path in (repository / "src" / "evalhaven").iterdir() if path.name[0] not in "_."]
    names = [f"{path.name}/" if path.is_dir() else path.name for path in parts if path.suffix != ".typed"]

    assert [name for name in names if f"── {name} " not in section] == []


def test_every_path_in_the_architecture_exists(repository: Path) -> None:
    package = repository / "src" / "evalhaven"
    rooms = [page for page in (repository / "docs" / "development").glob("*.md") if page.name != "style.md"]
    texts = [page.read_text(encoding="utf-8") for page in (repository / "ARCHITECTURE.md", *rooms)]
    text = re.sub(r"^```.*?^```$", "", "\n".join(texts), flags=re.MULTILINE | re.DOTALL)
    paths = {path for path in re.findall(r"`([\w./-]+/[\w./-]*)`", text) if not path.startswith("/")}

    assert len(paths) > 20
    assert [path for path in sorted(paths) if not (package / path).exists() and not (repository / path).exists()] == []


def test_every_make_target_is_explained(repository: Path) -> None:
    listed = subprocess.run(["make", "help"], cwd=repository, check=True, capture_output=True, text=True).stdout
    readme = read(repository, "README.md")

    assert len(make_targets(repository)) > 5
    assert [target for target in make_targets(repository) if f"make {target} " not in listed] == []
    assert [target for target in make_targets(repository) if f"`make {target}`" not in readme] == []


def test_the_pictures_are_there_for_both_themes_small_and_described(repository: Path) -> None:
    readme = read(repository, "README.md")
    shown = re.findall(r'srcset="([^"]+)">\s*<img alt="([^"]{20,})" src="([^"]+)"', readme)

    assert len(shown) == readme.count("<picture>") > 0
    for dark, _, light in shown:
        assert dark == light.replace("-light.png", "-dark.png") != light
        for name in (dark, light):
            content = (repository / name).read_bytes()
            assert content.startswith(b"\x89PNG")
            assert len(content) < 200_000
    assert {path.name for path in (repository / "docs" / "pictures").iterdir()} == {
        Path(name).name for dark, _, light in shown for name in (dark, light)
    }


def test_every_link_leads_somewhere(repository: Path) -> None:
    broken: list[str] = []
    for page in pages(repository):
        for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, fragment = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists() or (fragment and fragment not in anchors(target)):
                broken.append(f"{page.name}: {link}")

    assert broken == []


def test_pages_name_no_other_directory_and_no_machine(repository: Path) -> None:
    beside = "../" + "shared"
    naming = [
        page.name
        for page in pages(repository)
        if beside in (text := page.read_text(encoding="utf-8")) or re.search(r"(?<![\w.])/(work|home|root)/", text)
    ]

    assert naming == []


def wait_for_items(client: openai.OpenAI, eval_id: str, run_id: str) -> list[Any]:
    """Return the output items of a run once it has ended."""
    deadline = time.monotonic() + 30
    while client.evals.runs.retrieve(run_id, eval_id=eval_id).status in ("queued", "in_progress"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return list(client.evals.runs.output_items.list(run_id, eval_id=eval_id))


def test_the_python_of_the_readme_runs(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snippet, sampled = fenced(read(repository, "README.md"), "python")
    assert ADDRESS in snippet
    with Server(tmp_path).running() as server:
        monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
        names: dict[str, Any] = {}
        exec(compile(snippet.replace(ADDRESS, server.url), "README.md", "exec"), names)  # noqa: S102 - our own page
        client: openai.OpenAI = names["client"]
        run = names["run"]
        with client:
            items = wait_for_items(client, names["evaluation"].id, run.id)
            ended = client.evals.runs.retrieve(run.id, eval_id=names["evaluation"].id)
            # The second one goes on with the client and the eval of the first.
            exec(compile(sampled, "README.md", "exec"), names)  # noqa: S102 - our own page
            answers = wait_for_items(client, names["evaluation"].id, names["run"].id)

    assert [item.sample.output[0].content for item in answers] == ["Paris"] * 3
    assert ended.status == "completed"
    assert (ended.result_counts.passed, ended.result_counts.failed) == (2, 1)
    assert len(items) == len(names["rows"])
