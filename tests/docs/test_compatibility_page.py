"""The compatibility page: every difference is one listed deviation, each with a test, and nothing in it drifts."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs import compatibility_page
from tests.docs.comparison import Comparison, compare
from tests.docs.deviations import Deviation, matches, read_deviations, read_sections
from tests.docs.shapes import ObjectShape, Schemas
from tests.published import read_published

DEVIATIONS = read_deviations()
_OBJECT = re.compile(
    r"<details><summary><code>([^<]+)</code>(?: \(here <code>(\w+)</code>\))?: .*?</details>", re.DOTALL
)
_FIELD = re.compile(r"^\| `([^`]+)` \| (.+) \|$", re.MULTILINE)
_STEP = re.compile(r"\[\]|<([^>]*)>|\.?([^.\[\]<>]+)")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return compatibility_page.own_document()


@pytest.fixture(scope="module")
def published(shared_dir: Path) -> list[dict[str, Any]]:
    folder = shared_dir / "spec" / "openapi"
    return [read_published(folder / name) for name in ("evals-graders-files.yaml", "neighbours.yaml")]


@pytest.fixture(scope="module")
def found(published: list[dict[str, Any]], document: dict[str, Any]) -> Comparison:
    return compare(published, document)


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "compatibility.md").read_text(encoding="utf-8")


def test_every_difference_between_the_documents_is_one_listed_deviation(found: Comparison) -> None:
    explained = {each: [one.id for one in DEVIATIONS if one.explains(each)] for each in found.differences}

    assert len(explained) > 200
    assert {each: ids for each, ids in explained.items() if len(ids) != 1} == {}


def test_every_listed_difference_is_there(found: Comparison) -> None:
    patterns = [(one.id, pattern) for one in DEVIATIONS for pattern in one.differences]

    assert [
        each for each in patterns if not any(matches(each[1], difference) for difference in found.differences)
    ] == []


def test_the_known_differences_are_found(found: Comparison) -> None:
    for expected in (
        "EvalRun.per_model_usage: null added",
        "EvalRunOutputItem.sample.seed: null added",
        "OpenAIFile.purpose: value evals added",
        "deleteEval 404: ErrorResponse instead of Error",
        "Eval.testing_criteria[]<multi>: object added",
        "listEvals query order: default None instead of 'asc'",
        "GraderMulti.graders: object added",
    ):
        assert expected in found.differences


def test_the_page_is_what_the_documents_and_the_list_make(published: list[dict[str, Any]], page: str) -> None:
    assert compatibility_page.replace_blocks(page, compatibility_page.render(published)) == page


def test_the_page_has_each_generated_part_once(page: str) -> None:
    names = re.findall(r"<!-- generated: (\w+) -->", page)

    assert sorted(names) == ["deviations", "endpoints", "fields"]
    assert page.count("<!-- end of generated -->") == len(names)


def test_the_deviations_on_the_page_are_those_that_are_listed(page: str) -> None:
    block = {"deviations": compatibility_page.render_deviations(read_sections())}

    assert compatibility_page.replace_blocks(page, block) == page


def test_ids_of_deviations_are_unique() -> None:
    assert len(DEVIATIONS) > 80
    assert [each for each, number in Counter(one.id for one in DEVIATIONS).items() if number > 1] == []


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=lambda each: each.id)
def test_a_deviation_names_tests_that_exist(repository: Path, deviation: Deviation) -> None:
    assert deviation.what
    assert deviation.text
    assert deviation.tests
    for test in deviation.tests:
        path, _, name = test.partition("::")
        assert (repository / path).is_file(), test
        text = (repository / path).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), test


@pytest.mark.parametrize("deviation", [each for each in DEVIATIONS if each.refusals], ids=lambda each: each.id)
def test_a_deviation_refuses_nothing_but_what_it_says(deviation: Deviation) -> None:
    unrelated = {"param": "other", "message": "Something else is wrong."}
    for refusal in deviation.refusals:
        meant = {"param": refusal.param, "message": refusal.message}
        assert refusal.covers(refusal.operation, 400, meant)
        assert not refusal.covers(refusal.operation, 404, meant)
        assert not refusal.covers(refusal.operation, 400, unrelated)


def test_every_field_on_the_page_is_in_our_document(page: str, document: dict[str, Any]) -> None:
    missing = [
        f"{root}: {path}"
        for root, name, fields in objects_of(page, document)
        for path, verdict in fields.items()
        if "not described here" not in verdict and find(document, name, path) is None
    ]

    assert missing == []


def test_every_field_of_our_document_is_on_the_page(page: str, document: dict[str, Any]) -> None:
    lacking: list[str] = []
    for root, name, fields in objects_of(page, document):
        inner = {path.rpartition(".")[0] for path in fields}
        for place in inner:
            shape = find(document, name, place) if place else own_object(document, name)
            known = {path for path in fields if path.rpartition(".")[0] == place}
            own = set(shape.fields) if shape is not None else set[str]()
            lacking += [f"{root}: {place}.{each}" for each in own if f"{place}.{each}".removeprefix(".") not in known]

    assert lacking == []


def test_the_check_of_fields_sees_what_is_missing(page: str, document: dict[str, Any]) -> None:
    objects = {root: fields for root, _, fields in objects_of(page, document)}

    assert len(objects) > 40
    assert sum(map(len, objects.values())) > 250
    assert find(document, "EvalRun", "result_counts.total") is not None
    assert find(document, "EvalRun", "result_counts.sum") is None
    assert find(document, "EvalRun", "per_model_usage[].model_name") is not None
    assert find(document, "CreateEvalResponsesRunDataSource", "input_messages<template>.template") is not None
    assert find(document, "EvalRun", "evalhaven") is not None


def objects_of(page: str, document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield each object of the page: its title, the name of its schema here, its fields with what is said of them."""
    block = page.partition("<!-- generated: fields -->")[2]
    for match in _OBJECT.finditer(block):
        name = match[2] or match[1]
        if name in document["components"]["schemas"]:
            yield match[1], name, dict(_FIELD.findall(match[0]))


def own_object(document: dict[str, Any], name: str) -> ObjectShape:
    """Return an object of our document."""
    return Schemas(document).shape([{"$ref": f"#/components/schemas/{name}"}]).objects[_tag_of(document, name)][0]


def _tag_of(document: dict[str, Any], name: str) -> str:
    return next(iter(Schemas(document).shape([{"$ref": f"#/components/schemas/{name}"}]).objects))


def find(document: dict[str, Any], name: str, path: str) -> ObjectShape | None:
    """Return what a path of the page leads to: an object, or an empty one for anything else; None if nowhere."""
    schemas = Schemas(document)
    here: list[Any] = [{"$ref": f"#/components/schemas/{name}"}]
    tag: str | None = None
    for step in _STEP.finditer(path):
        shape = schemas.shape(here)
        if step[0] == "[]":
            here = shape.items
        elif step[1] is not None:
            tag = step[1]
            continue
        else:
            objects = [one for kind, each in shape.objects.items() if tag in (None, kind) for one in each]
            here = [one for each in objects for one in each.fields.get(step[2], [])]
        tag = None
        if not here:
            return None
    objects = [one for kind, each in schemas.shape(here).objects.items() if tag in (None, kind) for one in each]
    return objects[0] if objects else ObjectShape("", {}, set())
