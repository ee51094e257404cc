"""Facts about the tree itself that no other tool checks."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import evalhaven

FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "manager", "data", "process"}
SOURCE_LINES_MAX = 500


def list_sources(repository: Path) -> list[Path]:
    """Return every Python file of the package."""
    sources = sorted((repository / "src").rglob("*.py"))
    assert sources
    return sources


def read_pins(lines: Iterable[str]) -> dict[str, str]:
    """Return name → version of a compiled requirements file."""
    matches = (re.match(r"([a-z0-9.-]+)==([^\s;]+)", line) for line in lines)
    return {match[1]: match[2] for match in matches if match}


def imported_names(path: Path) -> list[str]:
    """Return what of the package a module imports, within functions and for types too."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [each.module or "" for each in nodes if isinstance(each, ast.ImportFrom)]
    names += [alias.name for each in nodes if isinstance(each, ast.Import) for alias in each.names]
    return [name for name in names if name.partition(".")[0] == "evalhaven"]


def imported_at_once(path: Path) -> set[str]:
    """Return what is loaded together with a module: what it imports outside of functions and conditions."""
    body = ast.parse(path.read_text()).body
    names = {alias.name for each in body if isinstance(each, ast.Import) for alias in each.names}
    for each in body:
        if isinstance(each, ast.ImportFrom) and each.module is not None:
            names |= {each.module, *(f"{each.module}.{alias.name}" for alias in each.names)}
    return names


def written_tables(path: Path) -> set[str]:
    """Return the tables in which a module of queries inserts, changes or deletes rows."""
    calls = [each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.Call)]
    writing = {"insert": 0, "update": 0, "delete": 0, "insert_new": 1}  # which argument is the table
    by_name = [(call.func.id, call.args) for call in calls if isinstance(call.func, ast.Name)]
    tables = [args[writing[name]] for name, args in by_name if name in writing]
    return {table.id for table in tables if isinstance(table, ast.Name)}


def test_requirements_name_no_host(repository: Path) -> None:
    files = [path for path in (repository / "requirements").iterdir() if path.is_file()]
    assert files
    naming = [path.name for path in files if re.search(r"\w+://|--(extra-)?index-url|--find-links", path.read_text())]

    assert naming == []


def test_every_pinned_requirement_carries_hashes(repository: Path) -> None:
    for name in ("build", "runtime", "dev"):
        text = (repository / "requirements" / f"{name}.txt").read_text().replace("\\\n", "")
        requirements = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]

        assert requirements
        assert [line for line in requirements if "==" not in line or "--hash=sha256:" not in line] == []


def test_tests_run_on_the_versions_that_users_get(repository: Path) -> None:
    build, runtime, dev = (
        read_pins((repository / "requirements" / f"{name}.txt").read_text().splitlines())
        for name in ("build", "runtime", "dev")
    )

    assert runtime.items() <= dev.items()
    assert {name: dev[name] for name in build.keys() & dev.keys()} == {
        name: build[name] for name in build.keys() & dev.keys()
    }


def test_every_dependency_of_the_package_is_pinned(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[\[><=; ]", requirement)[0] for requirement in project["dependencies"]}

    pins = read_pins((repository / "requirements" / "runtime.txt").read_text().splitlines())
    assert declared - pins.keys() == set()


def test_package_and_project_state_one_version(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]

    assert evalhaven.__version__ == project["version"]


def test_no_source_file_has_a_name_that_says_nothing(repository: Path) -> None:
    paths = [path for folder in ("src", "tests") for path in (repository / folder).rglob("*.py")]
    nameless = [
        str(path.relative_to(repository))
        for path in paths
        if FORBIDDEN_NAMES & {path.stem, path.parent.name, path.stem.removeprefix("test_")}
    ]

    assert nameless == []


def test_no_top_level_package_hides_behind_a_standard_module_name(repository: Path) -> None:
    names = {path.stem for path in (repository / "src" / "evalhaven").iterdir() if path.stem[0] != "_"}

    assert names & set(sys.stdlib_module_names) == set()


def test_packages_import_nothing_of_their_own(repository: Path) -> None:
    # A circle through a package itself is the one kind that import-linter's contract does not see.
    sources = list_sources(repository)
    importing = [path.parent.name for path in sources if path.name == "__init__.py" and imported_names(path)]

    # This one names what users import; nothing else of ours asks it for anything.
    assert importing == ["client"]
    assert not any("evalhaven.client" in imported_names(path) for path in sources if path.parent.name != "client")


def test_every_module_that_writes_runs_is_closed_to_routes(repository: Path) -> None:
    of_runs = {"evals", "runs", "chunks", "run_secrets", "output_items"}
    modules = (repository / "src" / "evalhaven" / "storage").glob("*.py")
    writing = {f"evalhaven.storage.{path.stem}" for path in modules if written_tables(path) & of_runs}
    linter = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["importlinter"]
    of_api = [each for each in linter["contracts"] if each.get("source_modules") == ["evalhaven.api"]]

    assert "evalhaven.storage.run_writes" in writing
    assert writing == {module for each in of_api for module in each["forbidden_modules"]}


def test_source_files_can_be_held_in_the_head(repository: Path) -> None:
    sizes = {str(path.relative_to(repository)): len(path.read_text().splitlines()) for path in list_sources(repository)}

    assert {path: lines for path, lines in sizes.items() if lines > SOURCE_LINES_MAX} == {}


def test_readme_and_source_speak_only_of_what_a_user_has(repository: Path) -> None:
    texts = [repository / "README.md", *list_sources(repository)]
    beside = "../" + "shared"

    assert [str(path.relative_to(repository)) for path in texts if beside in path.read_text()] == []


def test_what_asks_endpoints_is_loaded_when_the_first_one_is_asked(repository: Path) -> None:
    sources = repository / "src"
    imports = {
        ".".join(path.relative_to(sources).with_suffix("").parts): imported_at_once(path)
        for path in list_sources(repository)
    }
    loading, found = set[str](), {"aiohttp"}
    while found:
        loading |= found
        found = {
            module
            for module, names in imports.items()
            if module not in loading and any(name.split(".")[0] == "aiohttp" or name in loading for name in names)
        }

    assert "evalhaven.sampling.transport.client" in loading
    assert {name for name in loading if not name.startswith(("aiohttp", "evalhaven.sampling.transport."))} == set()
