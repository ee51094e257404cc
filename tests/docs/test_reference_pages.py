"""The pages of docs/reference/: they match the code, and the code describes everything."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr

from evalhaven.api.openapi import build_extension_document
from evalhaven.app.shown_settings import OTHER_VARIABLES
from evalhaven.sampling.configuration.tables import AnyText, PriceTable, Table
from evalhaven.settings import PREFIX, Settings
from tests.docs.compatibility_page import own_application
from tests.docs.reference.cli import shown_commands
from tests.docs.reference.configuration import type_text
from tests.docs.reference.pages import DIRECTORY, PAGES


def read(name: str) -> str:
    """Return the text of a page."""
    return (DIRECTORY / name).read_text(encoding="utf-8")


def tables(kind: type[Table] = Table) -> Iterator[type[Table]]:
    """Yield every table that `evalhaven.toml` may hold."""
    for each in kind.__subclasses__():
        yield each
        yield from tables(each)


def own_keys(table: type[Table]) -> set[str]:
    """Return the keys of a table without those that it has in common with others."""
    inherited = {name for each in table.__bases__ if issubclass(each, Table) for name in each.model_fields}
    return table.model_fields.keys() - inherited


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_makes(name: str) -> None:
    assert read(name) == PAGES[name]()


def test_no_other_page_stands_there(repository: Path) -> None:
    assert repository / "docs" / "reference" == DIRECTORY
    assert {path.name for path in DIRECTORY.iterdir()} >= PAGES.keys()


def test_every_key_of_the_file_is_on_the_page() -> None:
    page = read("configuration.md")
    sections = re.split(r"^### ", page.partition("\n## `evalhaven.toml`\n")[2], flags=re.MULTILINE)[1:]
    documented = sorted(sorted(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) for section in sections)

    assert len(documented) > 5
    assert documented == sorted(sorted(own_keys(each)) for each in tables())


def test_every_setting_is_on_the_page_with_its_default() -> None:
    section = read("configuration.md").partition("\n## `evalhaven.toml`\n")[0]
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| [^|]+ \| ([^|]+) \| .+ \|$", section, re.MULTILINE))
    fields = {f"{PREFIX}{name.upper()}": field for name, field in Settings.model_fields.items()}

    assert rows.keys() == fields.keys()
    assert (rows["EVALHAVEN_PORT"], rows["EVALHAVEN_DATABASE_URL"]) == ("`8765`", "none")
    assert {name for name, default in rows.items() if default == "none"} == {
        name for name, field in fields.items() if field.default is None
    }
    assert [name for name in OTHER_VARIABLES if f"| `{name}` | " not in section] == []


def test_every_command_and_option_is_on_the_page_and_explained() -> None:
    page = read("cli.md")
    names: list[str] = []
    for path, command in shown_commands():
        section = page.partition(f"\n## `{path}`\n")[2].partition("\n## ")[0]
        assert section, path
        assert command.help, path
        for parameter in command.params:
            if parameter.name == "help":
                continue
            assert parameter.help, f"{path} {parameter.name}"
            names += parameter.opts
            assert parameter.param_type_name == "argument" or parameter.opts[0] in section, f"{path} {parameter.name}"

    assert {"--host", "--fail-under", "--to-dir"} <= set(names)
    assert "evalhaven executor" not in page


def test_every_request_below_api_is_on_the_page() -> None:
    page = read("api.md")
    document: dict[str, Any] = build_extension_document(own_application())
    requests = [f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item]

    assert len(requests) >= 10
    assert [each for each in requests if f"\n### `{each}`\n" not in page] == []
    codes = set(re.findall(r"`([a-z_]+)`", json.dumps([each["responses"] for each in operations(document)])))
    assert "run_in_use" in codes
    assert [code for code in codes if f"`{code}`" not in page] == []


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the operations of a document."""
    return [operation for item in document["paths"].values() for operation in item.values()]


class Example(BaseModel, arbitrary_types_allowed=True):
    """One field of each form."""

    number: int = Field(1, ge=1, le=4096)
    above: Annotated[float, Field(gt=0, le=10)] | None = None
    word: Literal["a", "b", "c"] = "a"
    name: str = Field("x", min_length=1)
    key: SecretStr | None = None
    names: list[Annotated[str, Field(min_length=1)]] = Field([], min_length=1)
    words: dict[str, AnyText] = {}
    prices: list[PriceTable] = []


def test_types_are_told_in_words_with_their_limits() -> None:
    assert {name: type_text(field) for name, field in Example.model_fields.items()} == {
        "number": "integer (1 to 4,096)",
        "above": "number (more than 0, at most 10)",
        "word": "`a`, `b` or `c`",
        "name": "string (not empty)",
        "key": "string, secret",
        "names": "list of strings (not empty)",
        "words": "table of texts",
        "prices": "list of prices",
    }
