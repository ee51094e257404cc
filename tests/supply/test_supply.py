"""Facts about the packages that Evalhaven is made of, and about the commands that list and examine them."""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.supply.audit import examine, main, read_advisories
from tests.supply.packages import Package, installed_license, pinned_packages
from tests.supply.sbom import bill_of_materials

_PERMISSIVE = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0", "PSF-2.0"),
    *("Python-2.0", "Unlicense", "Zlib"),
}
# Not permissive, used as they come and never changed: each is named in docs/development/dependencies.md.
_EXCEPTIONS = {
    "certifi": "MPL-2.0",
    "psycopg": "LGPL-3.0-only",
    "psycopg-binary": "LGPL-3.0-only",
    "psycopg-pool": "LGPL-3.0-only",
    "tqdm": "MPL-2.0 AND MIT",
}
_EXCEPTIONS_OF_DASHBOARD = re.compile(r"lightningcss(-[a-z0-9-]+)?")  # MPL-2.0, and no part of the built pages


@pytest.fixture(scope="module")
def packages() -> list[Package]:
    return pinned_packages()


def test_every_shipped_package_is_permissive_or_a_known_exception(packages: list[Package]) -> None:
    shipped = [package for package in packages if package.is_shipped]
    # Some are for other systems or versions of Python, and not installed here.
    unknown = {package.name for package in shipped if package.license is None}
    refused = [
        (package.name, package.license)
        for package in shipped
        if package.license is not None
        and not _is_permissive(package.license)
        and _EXCEPTIONS.get(package.name) != package.license
        and not (package.ecosystem == "npm" and _EXCEPTIONS_OF_DASHBOARD.fullmatch(package.name))
    ]

    assert refused == []
    assert unknown <= {"colorama", "httpx2-jsfetch"}
    assert len(shipped) > 100


def test_exceptions_are_still_needed_and_explained(repository: Path) -> None:
    page = (repository / "docs" / "development" / "dependencies.md").read_text(encoding="utf-8")

    assert {name: installed_license(name) for name in _EXCEPTIONS} == _EXCEPTIONS
    assert [name for name in _EXCEPTIONS if f"`{name}`" not in page] == []


def test_the_bill_of_materials_lists_what_the_locks_pin(packages: list[Package]) -> None:
    document = bill_of_materials(packages)
    components: list[dict[str, Any]] = document["components"]
    by_name = {each["name"]: each for each in components}

    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    assert bill_of_materials(pinned_packages()) == document
    assert by_name["fastapi"]["scope"] == "required"
    assert by_name["react"]["purl"].startswith("pkg:npm/react@")
    assert by_name["pytest"]["scope"] == "excluded"
    assert by_name["@babel/code-frame"]["purl"].startswith("pkg:npm/%40babel/code-frame@")
    assert len({each["bom-ref"] for each in components}) == len(components) == len(packages)
    sizes = {"SHA-1": 40, "SHA-256": 64, "SHA-512": 128}
    assert all(each["hashes"] for each in components)
    assert all(len(hash_["content"]) == sizes[hash_["alg"]] for each in components for hash_ in each["hashes"])


def _advisory(name: str, *, ecosystem: str = "PyPI", **affected: Any) -> dict[str, Any]:
    return {
        "id": f"X-{name}",
        "summary": "It is bad.",
        "affected": [{"package": {"ecosystem": ecosystem, "name": name}, **affected}],
    }


def _range(*events: tuple[str, str]) -> dict[str, Any]:
    return {"ranges": [{"type": "ECOSYSTEM", "events": [{kind: at} for kind, at in events]}]}


@pytest.mark.parametrize(
    ("affected", "is_affected"),
    [
        (_range(("introduced", "0"), ("fixed", "2.0.1")), True),
        (_range(("introduced", "0"), ("fixed", "2.0")), False),
        (_range(("introduced", "0"), ("last_affected", "2.0")), True),
        (_range(("introduced", "0"), ("last_affected", "1.9")), False),
        (_range(("introduced", "2.1")), False),
        (_range(("fixed", "1.5"), ("introduced", "0"), ("introduced", "1.9"), ("fixed", "2.0.0.1")), True),
        ({"versions": ["1.0", "2.0"]}, True),
        ({"versions": ["1.0"]}, False),
    ],
)
def test_an_advisory_is_about_the_versions_of_its_ranges(affected: dict[str, Any], *, is_affected: bool) -> None:
    package = Package("PyPI", "some-package", "2.0", is_shipped=True, hashes=(), license=None)
    found = examine([package], iter([_advisory("Some_Package", **affected)]))

    assert bool(found.known) == is_affected
    assert found.unclear == []


def test_advisories_that_are_withdrawn_or_of_others_say_nothing_and_odd_versions_are_told() -> None:
    package = Package("npm", "odd", "1.0.0-a.b.c", is_shipped=True, hashes=(), license=None)
    bad = _range(("introduced", "0"))
    others = [_advisory("odd", **bad), {**_advisory("odd", ecosystem="npm", **bad), "withdrawn": "2026-01-01"}]

    assert examine([package], iter(others)).known == []
    found = examine([package], iter([_advisory("odd", ecosystem="npm", **bad)]))
    assert (found.known, len(found.unclear)) == ([], 1)


def test_the_audit_names_what_is_affected_and_what_was_not_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = _advisory("fastapi", **_range(("introduced", "0")))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("X-fastapi.json", json.dumps(bad))

    assert list(read_advisories(tmp_path)) == [bad]
    assert main([str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert re.search(r"fastapi \S+ \(shipped\): affected: X-fastapi It is bad\.", said)
    assert re.search(r"\d+ packages of PyPI: checked against 1 advisories\.", said)
    assert re.search(r"\d+ packages of npm: NOT checked: there were no advisories\.", said)


def test_an_audit_without_advisories_says_that_nothing_was_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Nothing was checked" in capsys.readouterr().out


def _is_permissive(expression: str) -> bool:
    """Tell whether an SPDX expression is: all parts of an AND, one of an OR."""
    expression = expression.strip().removeprefix("(").removesuffix(")")
    if " OR " in expression:
        return any(_is_permissive(part) for part in expression.split(" OR "))
    return all(part.strip("() ") in _PERMISSIVE for part in expression.split(" AND "))
