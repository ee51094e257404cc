"""Import of what the published export script for Langfuse wrote: files of `{eval, rows, runs: [{run, output_items}]}`.

The files that runs read lie beside them as `files/<file_id>.jsonl`. The span of each object is found once and kept;
the objects themselves stay in their files. If a file ends too early, its complete objects come over.
"""

import contextlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, RawJson, Span
from evalhaven.importers.documents import ImportRefusedError, file_id_of, parse_object, shown_id
from evalhaven.importers.jsonfiles import mapped_file
from evalhaven.importers.source import Damage, SourceError, SourceFile

_FILES = "files"


@dataclass(slots=True)
class _Export:
    """One file of the script.

    Attributes:
        runs: Spans of each run and of its output items (None: it has none).
        file_ids: Files that its runs read, each with the time of the first run that did.
    """

    path: Path
    eval_id: str
    eval_span: Span
    runs: dict[str, tuple[Span, Span | None]] = field(default_factory=dict[str, tuple[Span, Span | None]])
    file_ids: dict[str, int] = field(default_factory=dict[str, int])


class LangfuseSource:
    """Objects of such files."""

    def __init__(self, exports: Sequence[_Export], damage: Damage) -> None:
        self._damage = damage
        self._exports = exports
        holders: dict[str, _Export] = {}
        for export in exports:
            for run_id in export.runs:
                first = holders.setdefault(run_id, export)
                if first is not export:
                    raise SourceError(
                        f"{first.path} and {export.path} hold the same run {run_id}: import one file with all rows."
                    )

    @classmethod
    def open(cls, paths: Sequence[Path]) -> "LangfuseSource":
        """Find the objects in files, or in the files of directories.

        Raises:
            SourceError: A named file is not of the script's form, two files hold the same run, or there are none.
        """
        exports: list[_Export] = []
        damage, refused = Damage(), Damage()
        for path in paths:
            for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
                try:
                    exports.append(_opened(file, damage))
                except SourceError as error:
                    if not path.is_dir():
                        raise
                    refused.add(str(error))
        if not exports:
            names = ", ".join(repr(str(path)) for path in paths)
            raise SourceError(*refused.messages[:1] or [f"There are no *.json files in {names}."])
        for message in refused.messages:
            damage.add(message)
        return cls(exports, damage)

    @property
    def damage(self) -> Damage:
        """Return the files and runs that could not be read completely."""
        return self._damage

    @property
    def origin(self) -> str:
        """Return the kind and the names of the files."""
        return f"Langfuse export {', '.join(export.path.name for export in self._exports)}"

    def evals(self) -> Iterator[bytes]:
        """Yield the documents of the evals; the runs of one may be in several files."""
        seen: set[str] = set()
        for export in self._exports:
            if export.eval_id and export.eval_id in seen:
                continue
            seen.add(export.eval_id)
            with _reading(export.path) as (raw, _):
                yield jsontext.render(_eval_document(parse_object(raw[slice(*export.eval_span)]))).encode()

    def runs(self, eval_id: str) -> Iterator[bytes]:
        """Yield the documents of an eval's runs."""
        for export in self._exports:
            if export.eval_id == eval_id:
                with _reading(export.path) as (raw, _):
                    for run_span, _ in export.runs.values():
                        yield raw[slice(*run_span)]

    def output_items(self, run_id: str) -> Iterator[bytes]:
        """Yield the documents of a run's output items."""
        for export in self._exports:
            items = export.runs.get(run_id, (None, None))[1]
            if items is not None:
                with mapped_file(export.path) as (raw, _):
                    try:
                        for span in jsontext.elements(raw, items):
                            yield raw[slice(*span)]
                    except InvalidJsonError as error:
                        self._damage.add(f"{export.path}, items of run {run_id}: {error}.")
                return

    def files(self) -> Iterator[SourceFile]:
        """Yield the files that runs read; the script keeps their content but not their records, which are rebuilt."""
        seen: set[str] = set()
        for export in self._exports:
            for file_id, created_at in export.file_ids.items():
                path = export.path.parent / _FILES / f"{file_id}.jsonl"
                if file_id not in seen and "/" not in file_id and path.is_file():
                    seen.add(file_id)
                    yield SourceFile(_file_document(file_id, created_at, path), path)

    def file_record(self, file_id: str) -> None:
        """Return None: the script keeps no records of files."""


def _opened(path: Path, damage: Damage) -> _Export:
    found = Damage()
    with _reading(path) as (raw, span):
        parts, fault = _members(raw, span)
        is_cut = fault is not None
        if is_cut:
            found.add(f"{path} is damaged: {fault}. What is whole in it comes over.")
        if "eval" not in parts or ("runs" not in parts and not is_cut):
            raise SourceError(*found.messages or [f"{path} is not of the form {{eval, rows, runs}}."])
        export = _Export(path, shown_id(parse_object(raw[slice(*parts["eval"])])), parts["eval"])
        runs = jsontext.elements(raw, parts["runs"], may_be_cut=is_cut) if "runs" in parts else ()
        with contextlib.suppress(InvalidJsonError) if is_cut else contextlib.nullcontext():
            for number, each in enumerate(runs, start=1):
                try:
                    _add_run(export, raw, each)
                except ImportRefusedError as error:
                    found.add(f"{path}: number {number} of its 'runs': {error}.")
    if found.count and "runs" in parts and not export.runs:
        raise SourceError(found.messages[0])
    for message in found.messages:
        damage.add(message)
    return export


def _add_run(export: _Export, raw: RawJson, span: Span) -> None:
    """Add a run to those of its file.

    Raises:
        ImportRefusedError: The object is not a run.
    """
    parts, _ = _members(raw, span)
    if "run" not in parts:
        raise ImportRefusedError("it has no 'run'")
    try:
        run = parse_object(raw[slice(*parts["run"])])
    except ImportRefusedError as error:
        raise ImportRefusedError(f"its 'run' cannot be read: {error}") from error
    if not shown_id(run):
        raise ImportRefusedError("its 'run' has no id")
    items = parts.get("output_items")
    has_items = items is not None and jsontext.starts_with(raw, items, b"[")
    export.runs[shown_id(run)] = (parts["run"], items if has_items else None)
    created_at = run.get("created_at")
    if (file_id := file_id_of(run)) is not None and isinstance(created_at, int):
        export.file_ids[file_id] = min(created_at, export.file_ids.get(file_id, created_at))


def _members(raw: RawJson, span: Span) -> tuple[dict[str, Span], InvalidJsonError | None]:
    """Return the spans of an object's members, and the fault of a damaged one, whose members end there."""
    try:
        return jsontext.members(raw, span), None
    except InvalidJsonError as error:
        return jsontext.members(raw, span, may_be_cut=True), error


@contextlib.contextmanager
def _reading(path: Path) -> Generator[tuple[RawJson, Span]]:
    with mapped_file(path) as opened:
        try:
            yield opened
        except (InvalidJsonError, ImportRefusedError) as error:
            raise SourceError(f"{path} is damaged: {error}.") from error


def _eval_document(document: JsonObject) -> JsonObject:
    """Return an eval's document; dumps of the Python SDK have another name for its `schema`."""
    config = document.get("data_source_config")
    if isinstance(config, dict) and "schema_" in config and "schema" not in config:
        config = {"schema" if key == "schema_" else key: value for key, value in config.items()}
        return {**document, "data_source_config": config}
    return document


def _file_document(file_id: str, created_at: int, path: Path) -> bytes:
    return jsontext.render(
        {
            "object": "file",
            "id": file_id,
            "purpose": "evals",
            "filename": path.name,
            "bytes": path.stat().st_size,
            "created_at": created_at,
            "expires_at": None,
            "status": "processed",
            "status_details": None,
        }
    ).encode()
