"""Writes the generated parts of docs/compatibility.md: `python -m tests.docs.compatibility_page --write DOCUMENT…`.

The documents are the published ones. Without `--write` it only says whether the page is up to date.
"""

import argparse
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from fastapi import FastAPI

from evalhaven.api.application import build_application
from evalhaven.api.services import Services
from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory
from evalhaven.meters.board import Board
from tests.docs.comparison import Comparison, compare
from tests.docs.deviations import Deviation, Section, read_deviations, read_sections
from tests.published import read_published

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
_STATUSES = "fields-statuses"  # differs for nearly every operation, and says so in one place
_BLOCK = re.compile(r"(<!-- generated: ([\w ]+) -->\n).*?(<!-- end of generated -->)", re.DOTALL)


def own_application() -> FastAPI:
    """Return the application of this release, with nothing behind its routes."""

    @asynccontextmanager
    async def lifespan(_application: FastAPI) -> AsyncGenerator[None]:
        yield

    services = cast(
        "Services",
        SimpleNamespace(
            ids=IdFactory(Clock()),
            config=SimpleNamespace(
                allowed_hosts=frozenset(), allowed_origins=frozenset(), trusted_proxies=None, has_own_https_host=False
            ),
            gateway=SimpleNamespace(answer=None),
            board=Board(),
            tracing=None,
            door=None,
        ),
    )
    return build_application(services, lifespan)


def own_document() -> dict[str, Any]:
    """Return the OpenAPI document of this release."""
    return own_application().openapi()


def replace_blocks(page: str, blocks: dict[str, str]) -> str:
    """Return the page with generated blocks replaced.

    Args:
        page: The text of the page.
        blocks: New texts by the name in the block's first line; others stay as they are.
    """

    def replaced(match: re.Match[str]) -> str:
        return f"{match[1]}\n{blocks[match[2]].strip()}\n\n{match[3]}" if match[2] in blocks else match[0]

    return _BLOCK.sub(replaced, page)


def render(published: list[dict[str, Any]]) -> dict[str, str]:
    """Return every generated block of the page."""
    found = compare(published, own_document())
    deviations = read_deviations()
    return {
        "endpoints": "\n".join(_endpoints(found, deviations)),
        "deviations": render_deviations(read_sections()),
        "fields": "\n".join(_fields(found, deviations)),
    }


def render_deviations(sections: list[Section]) -> str:
    """Return the tables of deviations, each linked to the tests that show it."""
    lines: list[str] = []
    for section in sections:
        lines += [f"## {section.title}", ""]
        lines += [section.intro, ""] if section.intro else []
        lines += ["| what | Evalhaven | shown by |", "|---|---|---|"]
        lines += [_row(each) for each in section.deviations]
        lines.append("")
    return "\n".join(lines)


def field_of(difference: str, fields: dict[str, None]) -> str | None:
    """Return the field of an object that a difference is about, None for the object as a whole.

    Args:
        difference: `Object.field.inner: what`.
        fields: The fields of the object.
    """
    inside = difference.partition(": ")[0].partition(".")[2]
    of_it = [each for each in fields if inside == each or inside.startswith((f"{each}.", f"{each}[", f"{each}<"))]
    return max(of_it, key=len, default=None)


def _row(deviation: Deviation) -> str:
    tests = (test.split("::") for test in deviation.tests)
    links = ", ".join(f"[`{name}`](../{path})" for path, name in tests)
    return f'| <a id="{deviation.id}"></a>{deviation.what} | {deviation.text} | {links} |'


def _link(difference: str, deviations: list[Deviation]) -> str:
    (deviation,) = [each for each in deviations if each.explains(difference)]
    return f"[{deviation.what}](#{deviation.id})"


def _endpoints(found: Comparison, deviations: list[Deviation]) -> Iterator[str]:
    document = own_document()
    yield "| request | operation | answer | compared with the published document |"
    yield "|---|---|---|---|"
    for request, (name, is_served) in found.operations.items():
        if not is_served:
            continue
        method, path = request.split(" ")
        status = next(iter(document["paths"][path][method.lower()]["responses"]))
        own = [each for each in found.differences if each.startswith(f"{name} ") and not _is_status(each, deviations)]
        links = dict.fromkeys(_link(each, deviations) for each in own)
        yield f"| `{request}` | `{name}` | {status} | {'; '.join(links) or 'same'} |"
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if f"{method.upper()} {path}" not in found.operations:
                name, status = operation["operationId"], next(iter(operation["responses"]))
                link = _link(f"{name}: operation added", deviations)
                yield f"| `{method.upper()} {path}` | `{name}` | {status} | {link} |"
    missing = [f"`{request}`" for request, (_, is_served) in found.operations.items() if not is_served]
    yield ""
    yield f"<details><summary>Not served: {len(missing)} published operations</summary>"
    yield ""
    yield from (f"- {request}" for request in missing)
    yield ""
    yield "</details>"


def _is_status(difference: str, deviations: list[Deviation]) -> bool:
    return any(each.id == _STATUSES and each.explains(difference) for each in deviations)


def _fields(found: Comparison, deviations: list[Deviation]) -> Iterator[str]:
    for name, fields in sorted(found.objects.items(), key=lambda each: each[0].lower()):
        own_name = found.own_names.get(name, name)
        notes: dict[str, dict[str, None]] = {each: {} for each in fields}
        of_all: dict[str, None] = {}
        for difference in found.differences:
            if difference.partition(": ")[0].partition(".")[0] != name:
                continue
            place, _, what = difference.partition(": ")
            field = field_of(difference, fields)
            word = "only here" if what == "added" else "not described here" if what == "not described" else "differs"
            whole = field is not None and place == f"{name}.{field}"
            target = of_all if field is None else notes[field]
            target[f"{word if whole else 'differs'}: {_link(difference, deviations)}"] = None
        different = sum(1 for each in notes.values() if each)
        here = "" if own_name == name else f" (here <code>{own_name}</code>)"
        summary = f"{len(fields)} fields, {different} differ" if different else f"{len(fields)} fields, all the same"
        yield f"<details><summary><code>{name}</code>{here}: {summary}</summary>"
        yield ""
        yield from ([f"The whole object {'; '.join(of_all)}.", ""] if of_all else [])
        yield "| field | Evalhaven |"
        yield "|---|---|"
        yield from (f"| `{field}` | {_verdict(note)} |" for field, note in notes.items())
        yield ""
        yield "</details>"
        yield ""


def _verdict(notes: dict[str, None]) -> str:
    """Return `same`, or how a field differs: `only here: [x](#x); differs: [y](#y), [z](#z)`."""
    by_word: dict[str, list[str]] = {}
    for note in notes:
        word, _, link = note.partition(": ")
        by_word.setdefault(word, []).append(link)
    return "; ".join(f"{word}: {', '.join(links)}" for word, links in by_word.items()) or "same"


def main() -> int:
    """Bring the page up to date, or say whether it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("published", nargs="+", type=Path, metavar="DOCUMENT")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    new = replace_blocks(page, render([read_published(path) for path in given.published]))
    if given.write:
        PAGE.write_text(new, encoding="utf-8")
        return 0
    return int(new != page)


if __name__ == "__main__":
    raise SystemExit(main())
